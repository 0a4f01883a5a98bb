"""GET /v1/me: the signed-in user as the database knows him."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from msgspec import Meta

from edge import queries
from edge.auth import User
from edge.database import Database
from edge.problems import USER_ERRORS, problem_responses


class Me(msgspec.Struct):
    """Role, tier and plan are the database's word, whatever the token claims."""

    user_id: UUID
    email: str | None
    name: str | None
    role: Literal["user", "admin", "super_admin"]
    subscription_tier: Annotated[Literal["free", "pro"], Meta(description="The user's own.")]
    plan: Annotated[
        str, Meta(description="Whose limits count: the best of the user's own and of their organizations'.")
    ]


@get(
    "/me",
    summary="The signed-in user",
    response_description="The caller's profile",
    responses=problem_responses(*USER_ERRORS),
)
async def read_me(database: NamedDependency[Database], user: NamedDependency[User]) -> Me:
    """The caller's own profile."""
    return msgspec.convert(await database.on_behalf_of(user).call(queries.ME), Me)
