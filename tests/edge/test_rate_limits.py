"""Nobody may ask the edge without end: persons wherever they are, strangers by their address."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.addresses import client_address
from edge.app import create_app, create_litestar
from edge.buckets import Buckets, Rate
from edge.rate_limits import ADDRESS_LIMITS, BAD_SIGNATURES, OPTION, limit_address, limit_person
from edge.settings import load_settings
from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.edge.conftest import Environment
from tests.edge.process import free_port
from tests.edge.stripe_webhooks import body_of, event, signed
from tests.metering.limits import NEVER, limit

Client = TestClient[ASGIApp]


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def bearer(auth: AuthServer, person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {auth.token(person.id)}"}


def routes(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method, path and handler of all that the app answers with code of ours."""
    for route in app.routes:
        assert isinstance(route, HTTPRoute), f"{route.path} is none of HTTP: who limits it?"
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:  # answered by Litestar itself
                yield method, route.path, handler


def test_every_route_has_a_limit(environment: Environment, world: World) -> None:
    known = {row["name"] for row in world.as_dba("select name from metering.rate_limits")}
    found = list(routes(create_litestar(load_settings(environment))))
    assert len(found) > 10
    for method, path, handler in found:
        name, guards = handler.opt.get(OPTION), handler.resolve_guards()
        if path.startswith("/v1/"):
            assert limit_person in guards, f"{method} {path}"
            assert name is None or name in known, f"{method} {path} names no row of metering.rate_limits"
            assert name or method == "GET", (
                f"{method} {path} costs more than to look: it needs a limit of its own"
            )
        elif path == "/webhooks/stripe":
            assert name == BAD_SIGNATURES
        else:
            assert limit_address in guards, f"{method} {path}"
            assert name in ADDRESS_LIMITS, f"{method} {path}"


def test_every_limit_is_the_limit_of_a_route(environment: Environment) -> None:
    named = {handler.opt.get(OPTION) for _, _, handler in routes(create_litestar(load_settings(environment)))}
    assert set(ADDRESS_LIMITS) - named == {"anyone", "refused_tokens"}


@pytest.fixture
def client(environment: Environment) -> Iterator[Client]:
    with TestClient(create_app(load_settings(environment)), raise_server_exceptions=False) as client:
        yield client


def test_a_person_is_told_when_to_come_back(
    client: Client, auth: AuthServer, world: World, ada: Person
) -> None:
    limit(world, "api", 2, rate=0.01)
    for _ in range(2):
        assert client.get("/v1/me", headers=bearer(auth, ada)).status_code == 200
    answer = client.get("/v1/me", headers=bearer(auth, ada))
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["limit"]) == ("rate_limited", "api")
    assert answer.headers["retry-after"] == str(problem["retry_after"])
    assert 90 < problem["retry_after"] <= 100
    assert 'edge_rate_limited_total{limit="api"} 1.0' in client.get("/metrics").text

    assert client.get("/v1/me", headers=bearer(auth, world.person("bob"))).status_code == 200


def test_requests_that_fail_cost_as_much(client: Client, auth: AuthServer, world: World, ada: Person) -> None:
    limit(world, "checkout", 3)
    bodies: tuple[dict[str, object], ...] = (
        {"items": []},
        {"nonsense": 1},
        {"items": [{"price_id": str(uuid.uuid4()), "quantity": 1}]},
    )
    statuses = [
        client.post("/v1/checkout", json=body, headers=bearer(auth, ada)).status_code
        for body in (*bodies, bodies[0])
    ]
    assert statuses == [422, 422, 404, 429]
    assert client.get("/v1/me", headers=bearer(auth, ada)).status_code == 200, "other routes go on"


def test_what_a_route_refuses_still_costs_a_request(
    client: Client, auth: AuthServer, world: World, ada: Person
) -> None:
    limit(world, "checkout", 1)
    limit(world, "api", 3)
    statuses = [client.post("/v1/checkout", headers=bearer(auth, ada)).status_code for _ in range(4)]
    assert statuses == [422, 429, 429, 429]
    assert client.get("/v1/me", headers=bearer(auth, ada)).json()["limit"] == "api"


def test_all_processes_share_a_persons_bucket(
    environment: Environment, auth: AuthServer, world: World, ada: Person
) -> None:
    limit(world, "api", 2)
    statuses = []
    for _ in range(3):
        with TestClient(create_app(load_settings(environment)), raise_server_exceptions=False) as client:
            statuses.append(client.get("/v1/me", headers=bearer(auth, ada)).status_code)
    assert statuses == [200, 200, 429]


def test_a_limit_that_is_gone_closes_the_route(
    client: Client, auth: AuthServer, world: World, ada: Person
) -> None:
    world.as_dba("delete from metering.rate_limits where name = 'api'")
    assert client.get("/v1/me", headers=bearer(auth, ada)).status_code == 422


Strict = Callable[..., AbstractContextManager[Client]]


@pytest.fixture
def strict(environment: Environment) -> Strict:
    """The edge, letting each address do everything once."""

    @contextmanager
    def start(**changes: str) -> Iterator[Client]:
        once = {name: Rate(NEVER, 1) for name in ADDRESS_LIMITS}
        app = create_litestar(load_settings({**environment, **changes}), address_limits=once)
        with TestClient[ASGIApp](app, raise_server_exceptions=False) as client:
            yield client

    return start


def test_strangers_are_limited_without_postgres(strict: Strict) -> None:
    """Every open route answers once, whatever it answers, and then 429: no transaction decides that."""
    with strict(EDGE_DATABASE_URL=f"postgresql://edge_service:x@127.0.0.1:{free_port()}/postgres") as client:
        token = uuid.uuid4()
        for method, path, first in (
            ("GET", "/health/live", 200),
            ("GET", "/health/ready", 503),
            ("GET", "/metrics", 200),
            ("GET", "/schema", 200),
            ("GET", f"/unsubscribe?token={token}", 200),
            ("GET", "/v1/me", 401),
            ("POST", "/webhooks/stripe", 400),
        ):
            assert client.request(method, path).status_code == first, path
            again = client.request(method, path)
            assert (again.status_code, again.json()["code"]) == (429, "rate_limited"), path
            assert 3000 < int(again.headers["retry-after"]) <= 3600
        assert client.post(f"/unsubscribe?token={token}").status_code == 429
        assert client.get("/v1/checkout").status_code == 405


def test_what_stripe_signed_is_never_turned_away(strict: Strict, world: World) -> None:
    body = body_of(event())
    with strict() as client:
        for status in (400, 429):
            assert client.post("/webhooks/stripe", content=body, headers={}).status_code == status
        for _ in range(3):
            assert client.post("/webhooks/stripe", content=body, headers=signed(body)).status_code == 200


def test_who_shows_a_good_token_does_not_pay_for_bad_ones(
    strict: Strict, auth: AuthServer, world: World, ada: Person
) -> None:
    with strict() as client:
        statuses = [
            client.get("/v1/me", headers={"Authorization": "Bearer x.y.z"}).status_code for _ in range(2)
        ]
        assert statuses == [401, 429]
        for _ in range(2):
            assert client.get("/v1/me", headers=bearer(auth, ada)).status_code == 200


def test_addresses_are_believed_as_far_as_there_are_proxies(strict: Strict) -> None:
    def statuses(proxies: str, *chains: str) -> list[int]:
        with strict(EDGE_TRUSTED_PROXIES=proxies) as client:
            return [
                client.get("/health/live", headers={"X-Forwarded-For": chain}).status_code for chain in chains
            ]

    assert statuses("0", "192.0.2.1", "192.0.2.2") == [200, 429], "whoever connects is one"
    assert statuses("1", "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]
    assert statuses("1", "203.0.113.1, 192.0.2.1", "203.0.113.2, 192.0.2.1") == [200, 429], "made up"


@pytest.mark.parametrize(
    ("proxies", "lines", "expected"),
    [
        (0, [], "198.51.100.1"),
        (0, ["192.0.2.1"], "198.51.100.1"),
        (1, [], "198.51.100.1"),
        (1, ["192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.9, 192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.9", "192.0.2.1"], "192.0.2.1"),
        (2, ["192.0.2.9, 192.0.2.1, 192.0.2.2"], "192.0.2.1"),
        (2, ["192.0.2.1"], "192.0.2.1"),
        (1, ["192.0.2.1:4711"], "192.0.2.1"),
        (1, ["nonsense"], "198.51.100.1"),
        (1, ["192.0.2.9, "], "198.51.100.1"),
        (1, ["::ffff:192.0.2.1"], "192.0.2.1"),
        (1, ["2001:db8::1"], "2001:db8::/64"),
        (1, ["[2001:db8::2]:443"], "2001:db8::/64"),
        (1, ["2001:db8:0:1::1"], "2001:db8:0:1::/64"),
    ],
)
def test_the_address_is_what_the_outermost_trusted_proxy_saw(
    proxies: int, lines: list[str], expected: str
) -> None:
    assert client_address("198.51.100.1", lines, proxies) == expected


def test_an_address_that_nobody_knows_is_one() -> None:
    assert client_address(None, [], 1) == client_address("testclient", ["x"], 1) == "unknown"


class Clock:
    now = 10**12

    def __call__(self) -> int:
        return self.now


def test_a_bucket_in_the_process_is_exact() -> None:
    clock = Clock()
    buckets = Buckets(Rate(3, 5), clock=clock)
    assert [buckets.take("a") for _ in range(5)] == [0.0] * 5
    assert buckets.take("b") == 0.0
    wait = buckets.take("a")
    assert 0 < wait <= 1 / 3
    clock.now += round(wait * 10**9) - 1
    assert buckets.take("a") > 0
    clock.now += 1
    assert [buckets.take("a") > 0 for _ in range(2)] == [False, True]
    clock.now += 3600 * 10**9
    assert sum(buckets.take("a") == 0.0 for _ in range(10)) == 5


def test_buckets_remember_so_many_and_forget_whoever_was_quiet_longest() -> None:
    buckets = Buckets(Rate(0.001, 1), capacity=3, clock=Clock())
    for key in ("a", "b", "c"):
        assert buckets.take(key) == 0.0
    assert buckets.take("a") > 0
    assert buckets.take("d") == 0.0
    assert len(buckets) == 3
    assert buckets.take("b") > 0
    assert buckets.take("a") == 0.0, "the first to come was forgotten"
