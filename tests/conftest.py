"""A stack of its own for the test run, and a migrated database of its own for each test that wants one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_postgresql.janitor import DatabaseJanitor

from scripts.stack.database import migrate, prepare
from scripts.stack.ports import free_port_base
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack
from tests.acting import World
from tests.connections import close_idle, connected
from tests.states import directory_of_states

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where stacks with many databases keep their state."""
    with directory_of_states(tmp_path_factory.mktemp("states")) as directory:
        yield directory


@pytest.fixture(scope="session")
def local_stack(states: Path) -> Iterator[Stack]:
    """Everything that `make up` starts, beside whatever else runs on this machine."""
    stack = Stack(Settings(state=states / "shared", port=free_port_base()))
    stack.up()
    yield stack
    close_idle(stack.superuser_url())
    stack.destroy()


@pytest.fixture(scope="session")
def stack(local_stack: Stack) -> dict[str, str]:
    """The content of its stack.env."""
    return local_stack.env


def _as_superuser(stack: Stack, statement: str) -> None:
    with connected(stack.superuser_url()) as connection:
        connection.autocommit = True  # databases are made and dropped outside of transactions
        connection.execute(statement.encode())


@pytest.fixture(scope="session")
def template(local_stack: Stack) -> Iterator[str]:
    """A database with all migrations and no data, to be cloned."""
    url = urlsplit(local_stack.superuser_url())
    with DatabaseJanitor(
        user=url.username or "",
        password=url.password,
        host=url.hostname or "",
        port=url.port or 0,
        dbname=TEMPLATE,
        as_template=True,
    ):
        prepare(local_stack.superuser_url(TEMPLATE))
        migrate(local_stack.url("postgres", TEMPLATE), seed=False)
        yield TEMPLATE


@contextmanager
def clone(local_stack: Stack, template: str) -> Iterator[World]:
    """Two statements on a connection that stays, because a login costs as much as a clone."""
    dbname = f"world_{uuid.uuid4().hex[:12]}"
    _as_superuser(local_stack, f"create database {dbname} template {template} owner postgres")
    world = World(
        superuser_url=local_stack.superuser_url(dbname),
        database_url=local_stack.url("postgres", dbname),
        authenticator_url=local_stack.url("authenticator", dbname),
    )
    try:
        yield world
    finally:
        service_url = local_stack.url("edge_service", dbname)
        close_idle(world.superuser_url, world.database_url, world.authenticator_url, service_url)
        _as_superuser(local_stack, f"drop database {dbname} with (force)")


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
