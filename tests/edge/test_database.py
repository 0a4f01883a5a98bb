from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import World
from tests.edge.auth_server import AuthServer
from tests.edge.process import eventually

Client = TestClient[ASGIApp]


class Operator:
    """Whoever runs Postgres: takes this test's database away and gives it back."""

    def __init__(self, world: World) -> None:
        url = urlsplit(world.superuser_url)
        self._elsewhere = url._replace(path="/postgres").geturl()
        self._dbname = url.path.removeprefix("/")

    def break_connections(self) -> None:
        self._run(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s", self._dbname
        )

    def shut(self) -> None:
        self._run("update pg_database set datallowconn = false where datname = %s", self._dbname)
        self.break_connections()

    def open(self) -> None:
        self._run("update pg_database set datallowconn = true where datname = %s", self._dbname)

    def _run(self, statement: LiteralString, *parameters: str) -> None:
        with psycopg.connect(self._elsewhere, autocommit=True) as connection:
            connection.execute(statement, parameters)


@pytest.fixture
def operator(world: World) -> Operator:
    return Operator(world)


def headers_of(auth: AuthServer, world: World, name: str = "ada") -> dict[str, str]:
    return {"Authorization": f"Bearer {auth.token(world.person(name).id)}"}


def test_an_outage_is_told_and_ends_by_itself(
    client: Client, auth: AuthServer, world: World, operator: Operator
) -> None:
    headers = headers_of(auth, world)
    assert client.get("/v1/me", headers=headers).status_code == 200

    operator.shut()
    answer = client.get("/v1/me", headers=headers)
    assert answer.status_code == 503
    assert answer.json()["code"] == "provider_unavailable"
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json() == {"status": "unavailable", "database": "unreachable", "jwks": "ok"}
    assert client.get("/health/live").status_code == 200

    operator.open()
    eventually(lambda: client.get("/health/ready").status_code == 200, "it does not recover")
    assert client.get("/v1/me", headers=headers).status_code == 200


def test_connections_that_the_server_closed_are_replaced_before_anyone_notices(
    client: Client, auth: AuthServer, world: World, operator: Operator
) -> None:
    headers = headers_of(auth, world)
    nap = {"sql": "select pg_sleep(0.2)::text"}
    with ThreadPoolExecutor(8) as threads:
        naps = [threads.submit(client.post, "/v1/probe/sql", json=nap, headers=headers) for _ in range(8)]
        assert {nap.result().status_code for nap in naps} == {200}
    for _ in range(3):
        operator.break_connections()
        assert client.get("/v1/me", headers=headers).status_code == 200


class TestWithOneConnection:
    """Every request uses the connection that the one before it left."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "EDGE_POOL_SIZE": "1"}

    IDENTITY = """
        select jsonb_build_object(
            'session_user', session_user,
            'current_user', current_user,
            'claims', nullif(current_setting('request.jwt.claims', true), '')::jsonb,
            'headers', current_setting('request.headers', true)::jsonb
        )
    """

    def identity(self, client: Client, route: str, headers: dict[str, str]) -> dict[str, Any]:
        answer = client.post(route, json={"sql": self.IDENTITY}, headers=headers)
        seen: dict[str, Any] = answer.json()["value"]
        return seen

    def test_a_request_acts_as_its_user_and_leaves_nothing_behind(
        self, client: Client, auth: AuthServer, world: World
    ) -> None:
        for name in ("ada", "grace"):
            user = world.person(name)
            claims = auth.claims(user.id)
            headers = {"Authorization": f"Bearer {auth.key.sign(claims)}", "X-Request-Id": f"of-{name}"}
            answer = client.post("/v1/probe/sql", json={"sql": self.IDENTITY}, headers=headers).json()[
                "value"
            ]
            assert answer == {
                "session_user": "edge_service",
                "current_user": "authenticated",
                "claims": claims,
                "headers": {"x-request-id": f"of-{name}"},
            }
        answer = client.post("/v1/probe/service", json={"sql": self.IDENTITY}, headers=headers).json()[
            "value"
        ]
        assert answer["current_user"] == "edge_service"
        assert answer["claims"] is None

    def test_nothing_survives_a_failure_either(self, client: Client, auth: AuthServer, world: World) -> None:
        headers = headers_of(auth, world)
        failed = client.post("/v1/probe/sql", json={"sql": "select 1 / 0"}, headers=headers)
        assert failed.status_code == 422
        answer = client.post("/v1/probe/service", json={"sql": self.IDENTITY}, headers=headers).json()[
            "value"
        ]
        assert answer["current_user"] == "edge_service"
        assert answer["claims"] is None

    def test_what_fails_at_commit_is_a_failure(self, client: Client, auth: AuthServer, world: World) -> None:
        world.as_dba("create table public.promises (id integer unique deferrable initially deferred)")
        world.as_dba("grant insert, select on public.promises to authenticated")
        headers = headers_of(auth, world)
        insert = {"sql": "insert into public.promises values (1), (1) returning id"}
        answer = client.post("/v1/probe/sql", json=insert, headers=headers)
        assert answer.status_code == 409
        assert world.as_dba("select id from public.promises") == []

    def test_what_succeeds_is_committed(self, client: Client, auth: AuthServer, world: World) -> None:
        world.as_dba("create table public.promises (id integer)")
        world.as_dba("grant insert, select on public.promises to authenticated")
        insert = {"sql": "insert into public.promises values (1) returning id"}
        answer = client.post("/v1/probe/sql", json=insert, headers=headers_of(auth, world))
        assert answer.json() == {"value": 1}
        assert world.as_dba("select id from public.promises") == [{"id": 1}]


def test_a_user_cannot_choose_another_role_through_the_claims(
    client: Client, auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    token = auth.token(ada.id, note='", "role": "service_role')
    answer = client.post(
        "/v1/probe/sql",
        json={"sql": "select current_setting('request.jwt.claims')::jsonb -> 'role'"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.json() == {"value": "authenticated"}


def test_a_database_without_migrations_is_told_apart(client: Client, world: World) -> None:
    world.as_dba("drop function edge.ready()")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "not_migrated", "jwks": "ok"}
