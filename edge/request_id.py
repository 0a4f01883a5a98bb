"""One id names a request everywhere: in the answer, in every log line, and in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "x-request-id"

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
