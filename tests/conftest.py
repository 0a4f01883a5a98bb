"""A stack of its own for the test run, and a migrated database of its own for each test that wants one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from scripts.stack.database import migrate, prepare
from scripts.stack.ports import free_port_base
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack
from tests.acting import World
from tests.connections import close_idle
from tests.states import directory_of_states

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where stacks that serve many tests keep their state."""
    with directory_of_states(tmp_path_factory.mktemp("states")) as directory:
        yield directory


@pytest.fixture(scope="session")
def local_stack(states: Path) -> Iterator[Stack]:
    """Everything that `make up` starts, beside whatever else runs on this machine."""
    stack = Stack(Settings(state=states / "shared", port=free_port_base()))
    stack.up()
    yield stack
    stack.destroy()


@pytest.fixture(scope="session")
def stack(local_stack: Stack) -> dict[str, str]:
    """The content of its stack.env."""
    return local_stack.env


def _janitor(stack: Stack, dbname: str, template: str | None = None) -> DatabaseJanitor:
    url = urlsplit(stack.superuser_url())
    return DatabaseJanitor(
        user=url.username or "",
        password=url.password,
        host=url.hostname or "",
        port=url.port or 0,
        dbname=dbname,
        template_dbname=template,
        as_template=template is None,
    )


def _at(url: str, dbname: str) -> str:
    return urlsplit(url)._replace(path=f"/{dbname}").geturl()


@pytest.fixture(scope="session")
def template(local_stack: Stack) -> Iterator[str]:
    """A database with all migrations and no data, to be cloned."""
    with _janitor(local_stack, TEMPLATE):
        prepare(local_stack.superuser_url(TEMPLATE))
        migrate(_at(local_stack.env["DATABASE_URL"], TEMPLATE), seed=False)
        yield TEMPLATE


@contextmanager
def clone(local_stack: Stack, template: str) -> Iterator[World]:
    dbname = f"world_{uuid.uuid4().hex[:12]}"
    with _janitor(local_stack, dbname, template):
        # A clone belongs to whoever cloned it; on Supabase a database belongs to postgres.
        with psycopg.connect(local_stack.superuser_url()) as connection:
            connection.execute(sql.SQL("alter database {} owner to postgres").format(sql.Identifier(dbname)))
        world = World(
            superuser_url=local_stack.superuser_url(dbname),
            database_url=_at(local_stack.env["DATABASE_URL"], dbname),
            authenticator_url=_at(local_stack.env["AUTHENTICATOR_DATABASE_URL"], dbname),
        )
        yield world
        service_url = local_stack.url("edge_service", dbname)
        close_idle(world.superuser_url, world.database_url, world.authenticator_url, service_url)


@pytest.fixture
def world(local_stack: Stack, template: str) -> Iterator[World]:
    """A migrated, empty database that belongs to one test."""
    with clone(local_stack, template) as world:
        yield world


@pytest.fixture
def another_world(local_stack: Stack, template: str) -> Iterator[World]:
    """A second one, as empty."""
    with clone(local_stack, template) as world:
        yield world


@pytest.fixture
def database_url(world: World) -> str:
    """The same database, as `postgres`."""
    return world.database_url


@pytest.fixture
def superuser_url(world: World) -> str:
    """The same database, as `supabase_admin`."""
    return world.superuser_url
