"""Up, up again, down: what runs, what is kept, what survives."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import psutil
import pytest
import stripe

from scripts.stack.ports import free_port_base
from scripts.stack.report import DEMO_ACCOUNTS, DEMO_PASSWORD
from scripts.stack.settings import HOST
from scripts.stack.stack import ALL_PARTS, Stack
from tests.stack.terminal import Terminal


def test_every_part_is_healthy_and_listens_on_the_loopback_only(local_stack: Stack) -> None:
    statuses = local_stack.status()
    assert {status.part.name: status.healthy for status in statuses} == dict.fromkeys(ALL_PARTS, True)
    leaders = [psutil.Process(status.process.pid) for status in statuses if status.process]
    families = [process for leader in leaders for process in (leader, *leader.children(recursive=True))]
    listening = [
        connection.laddr
        for process in families
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address[0] for address in listening} == {HOST}
    assert {port for status in statuses for port in status.part.ports} <= {
        address[1] for address in listening
    }


def test_up_again_keeps_what_runs_and_data_survives_down(used: Terminal) -> None:
    used.run("up", "postgres")
    used.sql("drop table if exists public.notes")
    used.sql("create table public.notes as select 'kept' as text")
    first = used.pid("postgres")

    assert "postgres runs already" in used.run("up", "postgres")
    assert used.pid("postgres") == first

    used.run("down")
    assert used.processes() == []
    assert "Nothing was running" in used.run("down")

    used.run("up", "postgres")
    assert used.sql("select text from public.notes") == [("kept",)]


def test_reset_starts_over_with_the_same_keys(used: Terminal) -> None:
    used.run("up", "postgres")
    keys = used.stack.env
    used.sql("create table public.doomed ()")
    leftovers = [used.state / "storage" / "upload", used.state / "stripe" / "payment"]
    for leftover in leftovers:
        leftover.parent.mkdir(exist_ok=True)
        leftover.write_text("old")

    shown = used.run("reset")

    wanted = [
        "SUPABASE_URL",
        "SUPABASE_ANON_KEY",
        "SUPABASE_SERVICE_ROLE_KEY",
        "DATABASE_URL",
        "EDGE_URL",
        "STRIPE_API_BASE",
        "AI_URL",
        "MAIL_URL",
    ]
    assert [name for name in wanted if keys[name] not in shown] == []
    assert used.sql("select to_regclass('public.doomed')") == [(None,)]
    assert not any(leftover.exists() for leftover in leftovers)
    assert used.stack.env == keys
    used.run("status")


def test_payments_survive_down(terminal: Terminal) -> None:
    terminal.run("up", "stripe")
    customer = _stripe(terminal).v1.customers.create({"email": "ada@example.com"})
    terminal.run("down")
    terminal.run("up", "stripe")
    assert _stripe(terminal).v1.customers.retrieve(customer.id).email == "ada@example.com"


def _stripe(terminal: Terminal) -> stripe.StripeClient:
    env = terminal.stack.env
    return stripe.StripeClient(env["STRIPE_SECRET_KEY"], base_addresses={"api": env["STRIPE_API_BASE"]})


@pytest.mark.parametrize("email", DEMO_ACCOUNTS)
def test_the_demo_accounts_can_sign_in(stack: dict[str, str], email: str) -> None:
    response = httpx.post(
        f"{stack['SUPABASE_URL']}/auth/v1/token?grant_type=password",
        headers={"apikey": stack["SUPABASE_ANON_KEY"]},
        json={"email": email, "password": DEMO_PASSWORD},
    )
    assert response.json()["user"]["email"] == email


def test_status_fails_while_a_part_is_down(terminal: Terminal) -> None:
    terminal.run("up", "google")
    shown = terminal.run("status", status=1).splitlines()
    assert any(line.startswith("google") and "running" in line for line in shown)
    assert any(line.startswith("postgres") and "stopped" in line for line in shown)


def test_later_commands_find_a_moved_stack(terminal: Terminal) -> None:
    terminal.run("up", "google")
    terminal.env["GROUNDWORK_PORT"] = ""
    assert str(terminal.port + 6) in terminal.run("status", status=1)


def test_a_part_whose_configuration_changed_is_restarted(terminal: Terminal) -> None:
    terminal.run("up", "google")
    first = terminal.pid("google")
    terminal.port += 1
    assert "google is restarted: it changed" in terminal.run("up", "google")
    assert terminal.pid("google") != first
    assert {process.pid for process in terminal.processes()} == {terminal.pid("google")}


def test_a_stack_that_cannot_move_stays(terminal: Terminal) -> None:
    terminal.run("up", "google")
    first, other = terminal.pid("google"), free_port_base()
    terminal.env["GROUNDWORK_PORT"] = str(other)
    with socket.create_server((HOST, other + 6)):
        assert f"Port {other + 6}, which google needs, is taken" in terminal.run("up", "google", status=1)
    terminal.env["GROUNDWORK_PORT"] = ""
    assert "google runs already" in terminal.run("up", "google")
    assert terminal.pid("google") == first


def test_a_stack_does_not_move_onto_parts_of_its_own_that_stay(terminal: Terminal) -> None:
    terminal.run("up", "mailbox", "google")
    pids = {terminal.pid("mailbox"), terminal.pid("google")}
    terminal.port -= 1  # google would listen where the mailbox takes SMTP
    shown = terminal.run("up", "google", status=1)
    assert f"Port {terminal.port + 6}, which google needs, is taken by pid {terminal.pid('mailbox')}" in shown
    assert {process.pid for process in terminal.processes()} == pids


def test_two_stacks_side_by_side(used: Terminal, terminal: Terminal) -> None:
    used.run("up", "postgres")
    terminal.run("up", "postgres")
    terminal.sql("create table public.only_here ()")
    assert used.sql("select to_regclass('public.only_here')") == [(None,)]
    terminal.run("down")
    assert used.sql("select 1") == [(1,)]


def test_two_commands_at_once_take_turns(terminal: Terminal) -> None:
    commands = [terminal.begin("up", "google") for _ in range(2)]
    shown = [command.communicate()[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], shown
    assert sum("google runs already" in text for text in shown) == 1


def test_logs_show_one_part_or_all(used: Terminal) -> None:
    used.run("up", "postgres", "google")
    assert "emulate" not in used.run("logs", "postgres")
    everything = used.run("logs")
    assert "emulate" in everything
    assert "ready to accept connections" in everything


def test_followed_logs_go_on_across_a_restart(terminal: Terminal) -> None:
    terminal.run("up", "google")
    following = terminal.begin("logs", "google", "--follow")
    assert following.stdout
    try:
        _read_until(following.stdout.readline, "Ready.")
        terminal.run("down")
        terminal.run("up", "google")
        _read_until(following.stdout.readline, "Ready.")
    finally:
        following.terminate()
        following.communicate()


def _read_until(read: Callable[[], str], text: str) -> None:
    for line in iter(read, ""):
        if text in line:
            return
    pytest.fail(f"the log ended before {text!r}")
