"""The gateway as a process: what it says when it cannot start, and how it leaves."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from typing import Any

import httpx
import psycopg
import pytest

from scripts.stack.stack import Stack
from tests.gateway.process import COMMAND, environment_of, running


@pytest.fixture
def environment(local_stack: Stack) -> dict[str, str]:
    return environment_of(local_stack)


def refusal(environment: dict[str, str]) -> str:
    """What the gateway says when it does not start."""
    run = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    return run.stderr


def test_everything_missing_is_named_at_once(environment: dict[str, str]) -> None:
    kept = {name: value for name, value in environment.items() if not name.startswith(("SUPABASE", "SMTP"))}
    told = refusal(kept)
    for name in ("SUPABASE_JWT_SECRET", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SMTP_URL"):
        assert f"{name} is missing" in told


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("GATEWAY_PORT", "http", "must be a port number"),
        ("GATEWAY_DATABASE_URL", "mysql://x", "must be a URL that starts with postgres:"),
        ("SUPABASE_JWT_SECRET", "short", "at least 32 characters"),
        ("GATEWAY_SIGNING_JWK", "{", "is not JSON"),
        ("GATEWAY_SIGNING_JWK", '{"kty": "RSA"}', "must be a private P-256 key"),
        ("GATEWAY_AUTH", "[]", "must be a JSON object"),
        ("GATEWAY_AUTH", '{"site_url": "nowhere"}', "must contain site_url"),
    ],
)
def test_a_malformed_value_is_named(environment: dict[str, str], name: str, value: str, reason: str) -> None:
    told = refusal({**environment, name: value})
    assert name in told
    assert reason in told
    assert "\n    at " not in told, "a stack trace is no message"


def test_a_taken_port_is_named(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["GATEWAY_PORT"]))):
        assert f"port {environment['GATEWAY_PORT']} is in use" in refusal(environment)


def test_an_absent_database_is_named(environment: dict[str, str]) -> None:
    url = f"postgresql://supabase_lite:x@127.0.0.1:{environment['GATEWAY_PORT']}/postgres"
    assert "cannot start" in refusal({**environment, "GATEWAY_DATABASE_URL": url})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_under_way_are_finished(
    environment: dict[str, str], local_stack: Stack, number: signal.Signals
) -> None:
    """A request waits for a lock while the gateway is told to leave; it is answered once the lock is free."""
    url, key = f"http://127.0.0.1:{environment['GATEWAY_PORT']}", environment["SUPABASE_SERVICE_ROLE_KEY"]
    answers: list[Any] = []

    def ask() -> None:
        answers.append(httpx.get(f"{url}/rest/v1/projects?select=id&limit=1", headers={"apikey": key}))

    with running(environment) as process:
        with psycopg.connect(local_stack.superuser_url()) as blocker:
            blocker.execute("lock table public.projects in access exclusive mode")
            asking = threading.Thread(target=ask)
            asking.start()
            wait_for_a_waiter(blocker)
            process.send_signal(number)
            wait_until_closed(environment["GATEWAY_PORT"])
            assert answers == []
            blocker.rollback()
        asking.join(timeout=10)
        assert [answer.status_code for answer in answers] == [200]
        assert process.wait(timeout=10) == 0


def wait_for_a_waiter(connection: psycopg.Connection[Any]) -> None:
    query = "select from pg_locks where relation = 'public.projects'::regclass and not granted"
    eventually(lambda: connection.execute(query).fetchone() is not None)


def wait_until_closed(port: str) -> None:
    def is_closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) != 0

    eventually(is_closed)


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
