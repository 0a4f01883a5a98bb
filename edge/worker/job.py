"""A job as its handler sees it, and the ways in which it can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.database import Caller


class Job(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """What this worker holds under a lease; the same job under another lease is not the same."""

    id: int
    lease: int
    """The fencing token: an edge function that records the effect passes it to `jobs.finish`."""
    kind: str
    handler: Literal["sql", "python"]
    payload_text: str = msgspec.field(name="payload")
    """As Postgres wrote it: SQL jobs never read it here."""
    attempt: int
    idempotency_key: UUID
    """The same in every attempt: give it to whatever is called outside."""
    lease_seconds: int

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What the job was staged with; raises if the decoder's bounds do not hold it."""
        return msgspec.json.decode(self.payload_text, type=dict[str, Any])


class RetryLater(Exception):
    """A dependency is not here yet. Burns no attempt, but the kind's patience is bounded."""

    def __init__(self, reason: str, *, seconds: float = 10) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Finished:
    """What a handler returns if its own edge function ended the job together with its effect."""


FINISHED: Final = Finished()

Result = Mapping[str, Any] | Finished | None
Handler = Callable[[Job, Caller], Awaitable[Result]]
"""Does the work of a kind: returns counts or nothing, raises `RetryLater`, or any error to fail.

The caller runs functions of schema edge. A handler may be cancelled at any await, and run again.
"""
