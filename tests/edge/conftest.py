"""An Auth server, and the edge in this process or as its own, on a database that belongs to the test."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.app import create_app
from edge.logs import configure_logs
from edge.settings import Settings, load_settings
from scripts.stack.stack import Stack
from tests.acting import World
from tests.ai_sim.provider import Providers
from tests.edge.auth_server import AuthServer, auth_server
from tests.edge.probes import OPEN_PROBES, USER_PROBES
from tests.edge.process import EdgeProcess, edge_process
from tests.stripe_sim.process import KEY, SECRET, Sim, running

Environment = dict[str, str]
SITE_URL = "https://app.example"
LEGACY_SECRET = "a-legacy-secret-of-more-than-32-characters"


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    with auth_server() as server:
        yield server


@pytest.fixture
def edge_database_url(request: pytest.FixtureRequest, local_stack: Stack) -> str:
    """As edge_service: the database of this test if it asks for a world, else the stack's."""
    if "world" not in request.fixturenames:
        return local_stack.env["EDGE_DATABASE_URL"]
    world: World = request.getfixturevalue("world")
    return local_stack.url("edge_service", urlsplit(world.database_url).path.removeprefix("/"))


@pytest.fixture(scope="package")
def simulator() -> Iterator[Sim]:
    with running() as sim:
        yield sim


@pytest.fixture
def sim(simulator: Sim) -> Sim:
    """Stripe's stand-in: empty, delivering nothing by itself."""
    simulator.control("POST", "faults/clear")
    simulator.reset()
    simulator.control("PUT", "webhook", {"hold": True})
    return simulator


@pytest.fixture
def stripe_api_base(request: pytest.FixtureRequest) -> str:
    """The stand-in for tests that ask for it; else a port where nobody listens."""
    if "sim" not in request.fixturenames:
        return "http://127.0.0.1:9"
    sim: Sim = request.getfixturevalue("sim")
    return sim.url


@pytest.fixture
def providers(stack: dict[str, str]) -> Iterator[Providers]:
    """The AI providers' stand-in: no calls so far, no faults."""
    providers = Providers(stack)
    providers.reset()
    yield providers
    providers.reset()


@pytest.fixture
def ai_accounts(request: pytest.FixtureRequest) -> Environment:
    """At the stand-in for tests that ask for it; else none."""
    if "providers" not in request.fixturenames:
        return {}
    providers: Providers = request.getfixturevalue("providers")
    return {
        name: value for name, value in providers.env.items() if name.startswith(("ANTHROPIC_", "OPENAI_"))
    }


@pytest.fixture
def environment(
    edge_database_url: str, auth: AuthServer, stripe_api_base: str, ai_accounts: Environment
) -> Environment:
    """A complete environment of the edge; tests change it before they ask for a client."""
    return {
        "EDGE_DATABASE_URL": edge_database_url,
        "SUPABASE_URL": auth.url,
        "SUPABASE_JWT_SECRET": LEGACY_SECRET,
        "SITE_URL": SITE_URL,
        "STRIPE_API_BASE": stripe_api_base,
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        **ai_accounts,
    }


@pytest.fixture
def settings(environment: Environment) -> Settings:
    return load_settings(environment)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the edge in this process writes, one JSON object a line."""
    output = io.StringIO()
    configure_logs("json")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(output), cache_logger_on_first_use=False)
    yield output
    structlog.reset_defaults()


@pytest.fixture
def client(settings: Settings, log: io.StringIO) -> Iterator[TestClient[ASGIApp]]:
    """The edge in this process, with probes beside its own routes."""
    app = create_app(settings, user_routes=USER_PROBES, open_routes=OPEN_PROBES)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def start_edge(
    environment: Environment, tmp_path: Path
) -> Callable[..., AbstractContextManager[EdgeProcess]]:
    """Start the edge, or what stands in for it, as a process; keyword arguments change its environment."""

    def start(module: str = "edge", **changes: str) -> AbstractContextManager[EdgeProcess]:
        return edge_process({**environment, **changes}, tmp_path / "edge.log", module)

    return start


@pytest.fixture
def edge(start_edge: Callable[[], AbstractContextManager[EdgeProcess]]) -> Iterator[EdgeProcess]:
    with start_edge() as running:
        yield running
