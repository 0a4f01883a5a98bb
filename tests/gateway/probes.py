"""Functions that a test adds to the client API for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import httpx
import psycopg

from scripts.stack.stack import Stack

RELOAD = "notify pgrst, 'reload schema'"
PATIENCE = 10.0
"""Seconds within which a gateway must have heard of a new schema."""


@contextmanager
def installed(stack: Stack, create: LiteralString, drop: LiteralString) -> Iterator[None]:
    """Create something, tell the gateway, and undo it afterwards."""
    with psycopg.connect(stack.superuser_url(), autocommit=True) as connection:
        connection.execute(create)
        connection.execute(RELOAD)
        yield
        connection.execute(drop)
        connection.execute(RELOAD)


def call(http: httpx.Client, method: str, path: str, **request: object) -> httpx.Response:
    """Ask the Data API, and again until the schema cache knows what has just been created."""
    deadline = time.monotonic() + PATIENCE
    while True:
        response = http.request(method, f"/rest/v1/{path}", **request)  # type: ignore[arg-type]
        if response.status_code != 404:
            return response
        assert time.monotonic() < deadline, "the schema cache was not reloaded"
        time.sleep(0.02)
