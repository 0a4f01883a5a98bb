"""Routes that only tests have: they fail on demand, and take what the edge's own routes do not take yet."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from edge.app import OPEN_ROUTES, USER_ROUTES
from edge.auth import User
from edge.database import Database


class Statement(msgspec.Struct):
    sql: str


@post("/probe/sql", status_code=200)
async def run_as_user(
    database: NamedDependency[Database], user: NamedDependency[User], data: JSONBody[Statement]
) -> dict[str, Any]:
    """Run any statement on the user's behalf."""
    return {"value": await database.on_behalf_of(user).call(data.sql)}


@post("/probe/service", status_code=200)
async def run_as_service(database: NamedDependency[Database], data: JSONBody[Statement]) -> dict[str, Any]:
    """Run any statement as edge_service."""
    return {"value": await database.as_service().call(data.sql)}


@get("/probe/bug")
async def fail_unexpectedly() -> None:
    raise RuntimeError("a secret that no client may see")


@get("/probe/things/{number:int}", sync_to_thread=False)
def read_thing(number: FromPath[int], limit: FromQuery[int]) -> int:
    return number + limit


USER_PROBES = (*USER_ROUTES, run_as_user, run_as_service)
OPEN_PROBES = (*OPEN_ROUTES, fail_unexpectedly, read_thing)
