"""Postgres, one SQL function at a time.

A call is a whole transaction: begin, who is asking, the function, commit, sent in one round trip.
So a handler cannot forget to commit, hold a transaction while it waits for the network, or leave
anything on the connection for the next request; everything is `set local`, which also makes it safe
behind PgBouncer in transaction mode.

Statements are never prepared by name (`prepare_threshold=None`): poolers in transaction mode need
special support for it, and the functions called are too large for the parsing to matter.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool

from edge import queries
from edge.errors import EdgeError
from edge.request_id import HEADER, current_request_id
from edge.settings import Secret

if TYPE_CHECKING:  # workers serve no requests
    from edge.auth import User

CALL_TIMEOUT: Final = 20.0
"""Seconds, above the statement timeout of the role: for a server that stopped answering."""

_WAIT_FOR_CONNECTION = 3.0
_WAITING_PER_CONNECTION = 20
# The pool gives up reconnecting soon and tries again when asked, so that it is back at once when
# Postgres is: with its long default it would back off for minutes.
_RECONNECT_TIMEOUT = 2.0

_CONNECTION: dict[str, Any] = {
    "autocommit": True,  # `begin` and `commit` are in the pipeline of each call
    "prepare_threshold": None,
    "application_name": "edge",
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class PoolState(NamedTuple):
    idle: int
    busy: int
    waiting: int


class Caller:
    """Runs SQL functions as one identity; each call commits or leaves nothing."""

    def __init__(
        self, pool: AsyncConnectionPool, envelope: LiteralString, identity: Mapping[str, str]
    ) -> None:
        self._pool = pool
        self._envelope = envelope
        self._identity = identity

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float = CALL_TIMEOUT,
    ) -> Any:
        """Run one statement of `edge.queries` in its own transaction and return its single value.

        `timeout` is in seconds. Raises `psycopg.Error`, or `provider_unavailable` when time is up.
        """
        headers = msgspec.json.encode({HEADER: current_request_id()}).decode()
        try:
            async with asyncio.timeout(timeout), self._pool.connection() as connection:
                async with connection.pipeline():
                    await connection.execute("begin")
                    await connection.execute(self._envelope, {**self._identity, "headers": headers})
                    cursor = await connection.execute(query, parameters)
                    await connection.execute("commit")
                row = await cursor.fetchone()
        except TimeoutError as error:
            raise EdgeError("provider_unavailable") from error
        return row[0] if row else None


class Database:
    """The pool of connections as edge_service, open or not: it never needs Postgres to start."""

    def __init__(self, url: Secret, pool_size: int) -> None:
        self._pool = AsyncConnectionPool(
            url.reveal(),
            kwargs=_CONNECTION,
            min_size=1,
            max_size=pool_size,
            max_waiting=pool_size * _WAITING_PER_CONNECTION,
            timeout=_WAIT_FOR_CONNECTION,
            reconnect_timeout=_RECONNECT_TIMEOUT,
            check=self._check,
            open=False,
            name="edge",
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connect in the background while the context lasts, close afterwards."""
        await self._pool.open(wait=False)
        try:
            yield
        finally:
            await self._pool.close()

    def on_behalf_of(self, user: User) -> Caller:
        """Calls as `authenticated` with the user's claims, under the same policies as the Data API."""
        return Caller(self._pool, queries.ACT_AS_USER, {"claims": user.claims})

    def as_service(self) -> Caller:
        """Calls as edge_service, which may execute functions of schema edge and nothing else."""
        return Caller(self._pool, queries.ACT_AS_SERVICE, {})

    def as_worker(self, statement_timeout: float) -> Caller:
        """Calls as edge_service that may take so many seconds: the work of a job."""
        return Caller(
            self._pool, queries.ACT_AS_WORKER, {"statement_timeout": f"{round(statement_timeout * 1000)}ms"}
        )

    def pool_state(self) -> PoolState:
        """How many connections are idle and busy, and how many requests wait for one."""
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        return PoolState(idle, stats.get("pool_size", 0) - idle, stats.get("requests_waiting", 0))

    async def _check(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Notice without a round trip that the server hung up: an idle connection has nothing to read."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            await connection.close()
            # Most likely it restarted, and the other idle connections are as dead as this one.
            await self._pool.drain()
            raise psycopg.OperationalError("the server closed an idle connection")
