from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import World
from tests.edge.auth_server import AuthServer
from tests.edge.process import EdgeProcess, eventually

Client = TestClient[ASGIApp]


def test_a_sane_request_id_is_kept(client: Client) -> None:
    answer = client.get("/health/live", headers={"X-Request-Id": "a.b_C-1"})
    assert answer.headers["x-request-id"] == "a.b_C-1"


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, 'quote"d', "né", "a/b"])
def test_another_one_is_replaced(client: Client, sent: str) -> None:
    headers = [(b"x-request-id", sent.encode())]
    received = client.get("/health/live", headers=headers).headers["x-request-id"]
    assert received != sent
    assert uuid.UUID(received)


@pytest.mark.parametrize("path", ["/health/live", "/no/such/route", "/v1/me", "/probe/bug", "/metrics"])
def test_every_response_has_an_id_and_the_security_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert uuid.UUID(headers["x-request-id"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_no_other_origin_is_allowed_by_default(client: Client) -> None:
    answer = client.get("/health/live", headers={"Origin": "https://app.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


class TestWithAnAllowedOrigin:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "EDGE_CORS_ORIGINS": "https://app.example, https://admin.example"}

    def test_it_may_ask_and_read_errors(self, client: Client) -> None:
        answer = client.get("/v1/me", headers={"Origin": "https://app.example"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        preflight = client.options(
            "/v1/me",
            headers={
                "Origin": "https://admin.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://admin.example"

    def test_others_may_not(self, client: Client) -> None:
        answer = client.get("/health/live", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_exchanges_are_counted_by_route_template_and_status_class(client: Client) -> None:
    client.get("/probe/things/1", params={"limit": 1})
    client.get("/probe/things/2", params={"limit": 1})
    client.get("/probe/things/3")
    client.get(f"/{uuid.uuid4()}")
    client.request("BREW", "/health/live")
    lines = client.get("/metrics").text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("edge_http_requests_total"))
    things = 'method="GET",route="/probe/things/{number}"'
    assert counts == {
        f'edge_http_requests_total{{{things},status="2xx"}}': "2.0",
        f'edge_http_requests_total{{{things},status="4xx"}}': "1.0",
        'edge_http_requests_total{method="GET",route="(unmatched)",status="4xx"}': "1.0",
        'edge_http_requests_total{method="OTHER",route="(unmatched)",status="4xx"}': "1.0",
    }
    assert f'edge_http_request_duration_seconds_count{{{things},status="2xx"}} 2.0' in lines


class TestWithOneConnection:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "EDGE_POOL_SIZE": "1"}

    def test_the_pool_is_measured(self, client: Client) -> None:
        assert client.get("/health/ready").status_code == 200
        lines = client.get("/metrics").text.splitlines()
        assert 'edge_database_connections{state="idle"} 1.0' in lines
        assert 'edge_database_connections{state="busy"} 0.0' in lines
        assert "edge_database_waiting 0.0" in lines


def test_gauges_of_a_dead_worker_are_forgotten_and_its_counts_are_not(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    worker = (
        "from prometheus_client import Counter, Gauge\n"
        "Gauge('held', '', multiprocess_mode='livesum').set(7)\n"
        "Counter('done', '').inc(3)"
    )
    subprocess.run([sys.executable, "-c", worker], check=True)
    lines = client.get("/metrics").text.splitlines()
    assert "done_total 3.0" in lines
    assert not [line for line in lines if line.startswith("held ")]


def test_each_request_is_one_line_without_anything_secret(
    start_edge: Callable[..., AbstractContextManager[EdgeProcess]], auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    token = auth.token(ada.id)
    with start_edge(EDGE_LOG_FORMAT="json") as edge:
        headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "mine"}
        httpx.get(f"{edge.url}/v1/me?apikey=in-the-query", headers=headers)
        httpx.get(f"{edge.url}/v1/secret-path")

        def lines() -> list[dict[str, object]]:
            return [line for line in edge.log_lines() if str(line.get("route")) != "/health/live"]

        eventually(lambda: sum("route" in line for line in lines()) == 2, "access lines are missing")
        of_ada, of_nobody = (line for line in lines() if "route" in line)
        assert (
            of_ada.items()
            >= {
                "event": "request",
                "level": "info",
                "method": "GET",
                "route": "/v1/me",
                "status": 200,
                "request_id": "mine",
                "user_id": str(ada.id),
            }.items()
        )
        assert isinstance(of_ada["duration_ms"], float)
        assert (of_nobody["route"], of_nobody["status"], of_nobody["user_id"]) == ("(unmatched)", 404, None)
        log = edge.log.read_text()
        for secret in (token, token.split(".")[2], "in-the-query", "secret-path", ada.email):
            assert secret not in log


def test_console_lines_are_for_people(
    start_edge: Callable[..., AbstractContextManager[EdgeProcess]],
) -> None:
    with start_edge(EDGE_LOG_FORMAT="console") as edge:
        eventually(lambda: "route=/health/live" in edge.log.read_text(), "the request is not logged")
        assert "{" not in edge.log.read_text()
