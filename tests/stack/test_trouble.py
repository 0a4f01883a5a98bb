"""Bad circumstances: the cause is named, nothing is left running, and the next try works."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scripts.stack.errors import StackError
from scripts.stack.processes import wait_until
from scripts.stack.settings import HOST, Settings
from scripts.stack.stack import Stack
from tests.stack.terminal import Terminal


def test_a_taken_port_is_named_with_who_has_it(terminal: Terminal) -> None:
    with socket.create_server((HOST, terminal.port + 6)):
        shown = terminal.run("up", "postgres", "google", status=1)
    assert f"Port {terminal.port + 6}, which google needs, is taken by pid {os.getpid()}" in shown
    assert "GROUNDWORK_PORT=" in shown
    assert terminal.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_start_leaves_nothing_and_can_be_repeated(
    terminal: Terminal, number: signal.Signals
) -> None:
    command = terminal.begin("up", "google")
    assert wait_until((terminal.state / "run" / "google.json").exists, 30)
    command.send_signal(number)
    assert "Interrupted. Nothing that this command started is left running." in command.communicate()[0]
    assert terminal.processes() == []
    terminal.run("up", "google")


def test_an_interrupted_initdb_is_repeated(terminal: Terminal) -> None:
    half_made = terminal.stack.data / "PG_VERSION"
    command = terminal.begin("up", "postgres")
    assert wait_until(half_made.exists, 30)
    command.send_signal(signal.SIGINT)
    assert "Interrupted" in command.communicate()[0]
    assert half_made.exists()
    terminal.run("up", "postgres")
    assert terminal.sql("select 1") == [(1,)]


def test_a_part_that_ends_shows_its_last_lines(used: Terminal) -> None:
    used.run("down")
    configuration = used.stack.data / "postgresql.conf"
    original = configuration.read_text()
    configuration.write_text(original + "no_such_setting = on\n")
    try:
        shown = used.run("up", "google", "postgres", status=1)
    finally:
        configuration.write_text(original)
    assert "postgres ended while it started (status 1)" in shown
    assert 'unrecognized configuration parameter "no_such_setting"' in shown
    assert used.processes() == []


def test_a_stale_pid_file_never_harms_who_has_the_pid_now(terminal: Terminal) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        try:
            stale = {"pid": stranger.pid, "created": 1.0, "stop_signal": 15, "fingerprint": ""}
            run_file = terminal.state / "run" / "google.json"
            run_file.parent.mkdir(parents=True)
            run_file.write_text(json.dumps(stale))

            terminal.run("up", "google")
            assert terminal.pid("google") != stranger.pid
            terminal.run("down")
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_crashed_server_starts_again_though_its_pid_is_somebody_elses(used: Terminal) -> None:
    used.run("up", "postgres")
    leader = psutil.Process(used.pid("postgres"))
    family = leader.children(recursive=True)
    leader.kill()
    psutil.wait_procs([leader, *family], timeout=10)
    lock = used.stack.data / "postmaster.pid"
    lock.write_text(lock.read_text().replace(str(leader.pid), str(os.getpid()), 1))

    assert "postgres  stopped" in used.run("status", status=1)
    used.run("up", "postgres")
    assert used.sql("select 1") == [(1,)]


def test_what_outlived_its_record_is_stopped(terminal: Terminal) -> None:
    terminal.run("up", "google")
    (terminal.state / "run" / "google.json").unlink()
    terminal.run("up", "google")
    assert [process.pid for process in terminal.processes()] == [terminal.pid("google")]


def test_lost_secrets_are_explained_instead_of_losing_data(used: Terminal) -> None:
    used.run("down")
    secrets = used.state / "secrets.json"
    secrets.rename(secrets.with_suffix(".bak"))
    try:
        shown = used.run("up", "postgres", status=1)
    finally:
        secrets.with_suffix(".bak").replace(secrets)
    assert "was made with other secrets" in shown
    assert "make reset" in shown


def test_a_failing_migration_is_named_with_its_error(tmp_path: Path, terminal: Terminal) -> None:
    migrations = tmp_path / "project" / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20260101000000_demo_first.sql").write_text("create table public.first ();")
    (migrations / "20260101000001_demo_second.sql").write_text("select * from public.nowhere;")
    stack = Stack(Settings(state=terminal.state, port=terminal.port, project=tmp_path / "project"))

    with pytest.raises(StackError) as caught:
        stack.up(["postgres"])
    assert "stopped in 20260101000001_demo_second.sql" in str(caught.value)
    assert 'relation "public.nowhere" does not exist' in str(caught.value)
    assert terminal.processes() == []

    (migrations / "20260101000001_demo_second.sql").write_text("create table public.second ();")
    stack.up(["postgres"])
    assert terminal.sql("select to_regclass('public.second')::text") == [("second",)]


def test_too_little_room_is_said_before_anything_starts(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.stack.stack.NEEDED_BYTES", 1024**6)
    with pytest.raises(StackError, match=r"has \d+ MB free; the stack needs"):
        terminal.stack.up(["google"])
    assert terminal.processes() == []


@pytest.mark.parametrize("port", ["port", "80", "65530"])
def test_an_impossible_port_is_refused(terminal: Terminal, port: str) -> None:
    terminal.env["GROUNDWORK_PORT"] = port
    assert f"GROUNDWORK_PORT is '{port}', but it has to be a number" in terminal.run("up", status=1)


def test_postgres_is_never_root_even_without_user_namespaces(terminal: Terminal, tmp_path: Path) -> None:
    no_namespaces = tmp_path / "bin" / "unshare"
    no_namespaces.parent.mkdir()
    no_namespaces.write_text("#!/bin/sh\nexit 1\n")
    no_namespaces.chmod(0o755)
    terminal.env["PATH"] = f"{no_namespaces.parent}{os.pathsep}{os.environ['PATH']}"

    terminal.run("up", "postgres")
    assert psutil.Process(terminal.pid("postgres")).uids().effective != 0
    terminal.sql("create table public.notes as select 'kept' as text")
    terminal.run("down")
    terminal.run("up", "postgres")
    assert terminal.sql("select text from public.notes") == [("kept",)]
