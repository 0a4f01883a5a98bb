"""How often anyone may ask: guards that run before a request is looked at.

A person's buckets are in Postgres, the same for all workers and taken from in a transaction of its own,
so that requests that fail cost as much as others. Who has not shown who they are must not cost a
transaction, and health must be told without Postgres: they are limited by address, in each process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from edge import queries
from edge.addresses import client_address
from edge.auth import TokenVerifier
from edge.buckets import Buckets, Rate
from edge.errors import EdgeError
from edge.words import counted

Connection = ASGIConnection[Any, Any, Any, Any]

OPTION: Final = "rate_limit"
"""What a route calls its limit: `@post("/thing", rate_limit="thing")`."""

PERSON_LIMIT: Final = "api"
"""A row of metering.rate_limits that every request of a person takes from, beside the route's own."""

ANYONE: Final = "anyone"
"""Of addresses that ask for what has no limit of its own: which methods a route knows."""
REFUSED_TOKENS: Final = "refused_tokens"
BAD_SIGNATURES: Final = "bad_signatures"

ADDRESS_LIMITS: Final[Mapping[str, Rate]] = {
    ANYONE: Rate(20, 400),
    "liveness": Rate(200, 2000),
    "readiness": Rate(20, 200),
    "metrics": Rate(5, 100),
    "schema": Rate(5, 100),
    # Mail programs press the button from the addresses of their provider.
    "unsubscribe": Rate(10, 200),
    REFUSED_TOKENS: Rate(20, 400),
    # Only of events whose signature is wrong: what Stripe signed is never turned away.
    BAD_SIGNATURES: Rate(1, 100),
}


class AddressLimits:
    """A bucket for each address and limit, in this process."""

    def __init__(self, trusted_proxies: int, rates: Mapping[str, Rate]) -> None:
        self._trusted_proxies = trusted_proxies
        self._buckets = {name: Buckets(rate) for name, rate in rates.items()}

    def take(self, name: str, connection: Connection) -> None:
        """Take from the bucket of whoever connected; raises `rate_limited`."""
        address = client_address(
            connection.client.host if connection.client else None,
            connection.headers.getall("x-forwarded-for", []),
            self._trusted_proxies,
        )
        if wait := self._buckets[name].take(address):
            raise _refused(name, math.ceil(wait), connection)


async def require_user(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard of a router: nothing in it is reached without a verified user."""
    verifier: TokenVerifier = connection.app.state.verifier
    try:
        connection.scope["user"] = await verifier.verify(connection.headers.get("authorization"))
    except EdgeError as error:
        if error.code == "not_authenticated":
            connection.app.state.address_limits.take(REFUSED_TOKENS, connection)
        raise


async def limit_person(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard behind `require_user`: takes from the user's buckets, or raises `rate_limited`."""
    refusal = await connection.app.state.database.on_behalf_of(connection.user).call(
        queries.TAKE_RATE, {"name": handler.opt.get(OPTION, PERSON_LIMIT)}
    )
    if refusal:
        raise _refused(refusal["limit"], refusal["retry_after"], connection)


async def limit_address(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of a route that anyone may reach: takes from the address's bucket, or raises `rate_limited`."""
    connection.app.state.address_limits.take(handler.opt.get(OPTION, ANYONE), connection)


def _refused(name: str, seconds: int, connection: Connection) -> EdgeError:
    connection.app.state.metrics.limited(name)
    return EdgeError(
        "rate_limited",
        hint=f"Wait {counted(seconds, 'second')}.",
        members={"limit": name, "retry_after": seconds},
        headers={"Retry-After": str(seconds)},
    )
