"""Is the process alive, and can it serve? Answers name what fails, never why in detail."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import msgspec
import psycopg
from litestar import Response, Router, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec

from edge import queries
from edge.auth import TokenVerifier
from edge.database import Database
from edge.errors import EdgeError
from edge.problems import LIMITED
from edge.rate_limits import limit_address

CHECK_TIMEOUT: Final = 2.0
"""Seconds after which a dependency counts as unreachable."""

Check = Literal["ok", "unreachable", "not_migrated", "no_keys"]


class Liveness(msgspec.Struct):
    status: Literal["live"] = "live"


class Readiness(msgspec.Struct):
    """`ready` when every dependency is ok."""

    status: Literal["ready", "unavailable"]
    database: Check
    jwks: Check


@get(
    "/live",
    sync_to_thread=False,
    summary="Liveness",
    response_description="The process serves",
    rate_limit="liveness",
    responses=LIMITED,
)
def live() -> Liveness:
    """Answers as long as the process serves."""
    return Liveness()


@get(
    "/ready",
    summary="Readiness",
    response_description="Every dependency is ok",
    rate_limit="readiness",
    responses={
        503: ResponseSpec(Readiness, description="a dependency fails", generate_examples=False),
        **LIMITED,
    },
)
async def ready(state: State) -> Response[Readiness]:
    """Asks every dependency, in bounded time."""
    database, jwks = await asyncio.gather(_check_database(state.database), _check_jwks(state.verifier))
    is_ready = database == jwks == "ok"
    return Response(
        Readiness("ready" if is_ready else "unavailable", database, jwks),
        status_code=200 if is_ready else 503,
    )


async def _check_database(database: Database) -> Check:
    try:
        answer = await database.as_service().call(queries.READY, timeout=CHECK_TIMEOUT)
    except (EdgeError, psycopg.OperationalError):
        return "unreachable"
    except psycopg.Error:
        return "not_migrated"
    return "ok" if answer and answer.get("migration") else "not_migrated"


async def _check_jwks(verifier: TokenVerifier) -> Check:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return "ok" if await verifier.can_verify() else "no_keys"
    except (EdgeError, TimeoutError):
        return "unreachable"


health_router = Router("/health", route_handlers=[live, ready], guards=[limit_address], tags=["operations"])
