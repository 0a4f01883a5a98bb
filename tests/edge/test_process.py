from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import psutil
import psycopg

from tests.acting import World
from tests.edge.auth_server import AuthServer
from tests.edge.process import EdgeProcess, edge_process, eventually, free_port, run_edge

StartEdge = Callable[..., AbstractContextManager[EdgeProcess]]


def test_bad_settings_end_in_one_message_and_exit_code_2() -> None:
    outcome = run_edge({"EDGE_PORT": "eighty", "SUPABASE_JWT_SECRET": "too-short"})
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    headline, *problems = outcome.stderr.splitlines()
    assert headline == "Cannot start:"
    assert sorted(problem.split()[0] for problem in problems) == [
        "EDGE_DATABASE_URL",
        "EDGE_PORT",
        "SITE_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "SUPABASE_JWT_SECRET",
        "SUPABASE_URL",
    ]
    assert "too-short" not in outcome.stderr


def test_a_taken_port_is_refused(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = run_edge({**environment, "EDGE_PORT": port})
    assert outcome.returncode == 2
    assert port in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_it_starts_without_database_and_without_auth_server(tmp_path: Path) -> None:
    nowhere = free_port()
    environ = {
        "EDGE_DATABASE_URL": f"postgresql://edge_service:secret@127.0.0.1:{nowhere}/postgres",
        "SUPABASE_URL": f"http://127.0.0.1:{nowhere}",
        "SITE_URL": "https://app.example",
        "STRIPE_API_BASE": f"http://127.0.0.1:{nowhere}",
        "STRIPE_SECRET_KEY": "sk_test_of_nobody",
        "STRIPE_WEBHOOK_SECRET": "whsec_of_nobody",
    }
    with edge_process(environ, tmp_path / "edge.log") as edge:
        answer = httpx.get(f"{edge.url}/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "database": "unreachable", "jwks": "unreachable"}
        assert httpx.get(f"{edge.url}/health/live").json() == {"status": "live"}
        assert edge.stop() == 0


def test_a_request_in_flight_is_finished_before_the_process_ends(
    edge: EdgeProcess, world: World, auth: AuthServer
) -> None:
    ada = world.person("ada")
    headers = {"Authorization": f"Bearer {auth.token(ada.id)}"}
    with ThreadPoolExecutor() as threads, psycopg.connect(world.database_url) as blocker:
        blocker.execute("lock table public.profiles in access exclusive mode")
        asked = threads.submit(httpx.get, f"{edge.url}/v1/me", headers=headers, timeout=20)
        eventually(lambda: _edge_waits_for_a_lock(world), "the request does not reach the database")
        edge.process.terminate()
        eventually(lambda: _refuses_connections(edge), "it still accepts connections")
        assert not asked.done()
        blocker.rollback()

        assert asked.result().json()["user_id"] == str(ada.id)
        assert edge.stop() == 0
    eventually(lambda: _edge_connections(world) == 0, "connections are left open")


def test_interrupting_it_is_a_normal_end(edge: EdgeProcess) -> None:
    edge.process.send_signal(2)
    assert edge.process.wait(20) == 0


def test_all_workers_count_together_and_a_killed_one_is_replaced(start_edge: StartEdge) -> None:
    with start_edge(EDGE_WORKERS="2") as edge:
        for _ in range(20):
            httpx.get(f"{edge.url}/no/such/route")
        # Each scrape is a new connection, answered by whichever worker takes it.
        assert {_count_of_unmatched(edge) for _ in range(10)} == {20.0}

        victim, survivor = psutil.Process(edge.process.pid).children()
        victim.kill()
        eventually(lambda: len(_workers(edge) - {victim.pid, survivor.pid}) == 1, "it is not replaced")
        assert {_count_of_unmatched(edge) for _ in range(10)} == {20.0}
        assert edge.stop() == 0


def _workers(edge: EdgeProcess) -> set[int]:
    return {child.pid for child in psutil.Process(edge.process.pid).children()}


def _count_of_unmatched(edge: EdgeProcess) -> float:
    wanted = 'edge_http_requests_total{method="GET",route="(unmatched)",status="4xx"} '
    lines = httpx.get(f"{edge.url}/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def _edge_waits_for_a_lock(world: World) -> bool:
    return bool(world.as_dba("select pid from pg_locks where not granted"))


def _edge_connections(world: World) -> int:
    return len(
        world.as_dba(
            "select pid from pg_stat_activity where datname = current_database() and usename = 'edge_service'"
        )
    )


def _refuses_connections(edge: EdgeProcess) -> bool:
    try:
        httpx.get(f"{edge.url}/health/live")
    except httpx.TransportError:
        return True
    return False
