"""One migrated database for all tests that only look, or whose changes are rolled back."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from scripts.stack.stack import Stack

SHARED = "architecture"


@pytest.fixture(scope="session")
def shared_database_url(local_stack: Stack, template: str) -> str:
    """A clone of the migrated template, as `postgres`; it goes with the stack."""
    with psycopg.connect(local_stack.superuser_url(), autocommit=True) as superuser:
        superuser.execute(f"create database {SHARED} template {template} owner postgres".encode())
    return local_stack.url("postgres", SHARED)


@pytest.fixture
def connection(shared_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """One open transaction of whoever runs migrations; it is rolled back."""
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()
