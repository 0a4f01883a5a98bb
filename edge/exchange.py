"""Each request and its answer, measured once for everyone who reports on it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from uuid import UUID

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "(unmatched)"
"""The route of a request that no route template matches."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Exchange(msgspec.Struct, frozen=True):
    """A finished exchange; nothing in it can be chosen freely by a client: safe to log and to count."""

    method: str
    route: str
    status: int
    seconds: float
    user_id: UUID | None


def observed(app: ASGIApp, *observers: Callable[[Exchange], None]) -> ASGIApp:
    """Tell the observers about every exchange of `app`, also about those that fail."""

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return

        status = 500
        started = perf_counter()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_noting_status)
        finally:
            user = scope.get("user")
            exchange = Exchange(
                method=scope["method"] if scope["method"] in _METHODS else "OTHER",
                route=scope.get("path_template") or UNMATCHED,
                status=status,
                seconds=perf_counter() - started,
                user_id=user.id if user else None,
            )
            for observer in observers:
                observer(exchange)

    return observe
