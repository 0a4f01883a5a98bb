"""One id names a request everywhere: in the answer, in every log line, and in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request being handled; None outside of one."""
    return _current.get()


@contextmanager
def identified(request_id: str) -> Iterator[None]:
    """Let this id name what happens inside: in log lines and in SQL."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def with_request_id(app: ASGIApp) -> ASGIApp:
    """Keep the caller's id if it is sane, else make one, and send it back on every response."""

    async def with_id(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return

        request_id = _incoming(scope) or str(uuid4())

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[HEADER] = request_id
            await send(message)

        with identified(request_id):
            await app(scope, receive, send_identified)

    return with_id


def _incoming(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER.encode():
            text = value.decode("latin-1")
            return text if _SANE.fullmatch(text) else None
    return None
