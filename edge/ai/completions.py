"""How a question is answered: given again, followed, or led.

Whoever leads goes on when the client has hung up, because the provider is paid in any case and
others may wait for the answer. Nothing is held while anybody waits: no connection, no transaction.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

import msgspec
import psycopg
import structlog
from msgspec import Meta

from edge import queries
from edge.ai.call import Call, Say, Unanswered, declined
from edge.ai.providers import DECLINED, Providers
from edge.auth import User
from edge.database import Caller, Database
from edge.errors import EdgeError
from edge.sql_errors import from_sql

FIRST_LOOK: Final = 0.05
"""Seconds until a follower looks for the first time; each look is later than the one before."""
LAST_LOOK: Final = 0.5
REPORTS: Final = 4
"""How often a result is reported to Postgres before it is given up; then the lease runs out."""

_log = structlog.get_logger("edge.ai")


class Usage(msgspec.Struct, frozen=True):
    """What this answer took, in tokens and in millionths of a US dollar; zeros if it was given again."""

    input_tokens: int
    cached_input_tokens: Annotated[int, Meta(description="Of these, those that the provider knew already.")]
    output_tokens: int
    cost_micros: Annotated[int, Meta(description="Millionths of a US dollar.")]
    assumed: Annotated[
        bool,
        Meta(description="The provider did not say what it counted, so that the worst case stands here."),
    ]


class Limits(msgspec.Struct, frozen=True):
    """Where the user stands this month."""

    action: str
    name: str
    plan: str | None
    month: str
    used: int
    held: Annotated[int, Meta(description="Calls that are under way: counted once they are answered.")]
    soft_limit: int | None
    hard_limit: int | None
    remaining: Annotated[int | None, Meta(description="Null: as many as you like.")]
    over_soft_limit: bool
    cost_micros: int
    cost_limit_micros: int | None
    resets_at: str


class Completion(msgspec.Struct, frozen=True):
    """An answer; a cached one costs nothing and does not count."""

    request_id: Annotated[
        UUID, Meta(description="The row of this answer in the log of AI requests; not X-Request-Id.")
    ]
    output: str
    cached: Annotated[bool, Meta(description="It was known, or somebody had just asked.")]
    truncated: Annotated[bool, Meta(description="The model had more to say than it was allowed.")]
    usage: Usage
    limits: Limits | None


class Question(msgspec.Struct, frozen=True):
    """A feature and its input, which fits the feature's schema."""

    feature: str
    input: dict[str, Any]
    idempotency_key: str | None


class Completions:
    """Answers questions. `deadline` and `lease` are in seconds."""

    def __init__(self, database: Database, providers: Providers, deadline: float, lease: float) -> None:
        self._database = database
        self._providers = providers
        self._deadline = deadline
        self._lease = lease
        self._led: set[asyncio.Task[Completion]] = set()
        self._flights: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """When the context ends, wait for what is led, which nobody else might."""
        try:
            yield
        finally:
            if self._led:
                await asyncio.wait(self._led, timeout=self._deadline)

    async def answer(self, user: User, question: Question, say: Say | None = None) -> Completion:
        """The answer; its pieces are said as they come if this call is the one that gets them.

        Raises `provider_unavailable`, and whatever SQL refuses.
        """
        caller = self._database.on_behalf_of(user)
        until = monotonic() + 2 * self._deadline
        while True:
            started = await caller.call(
                queries.START_COMPLETION,
                {
                    "feature": question.feature,
                    "input": json.dumps(question.input),
                    "idempotency_key": question.idempotency_key,
                    "lease": self._lease,
                },
            )
            if started["state"] == "answered":
                return msgspec.convert(started, Completion)
            if started["state"] == "lead":
                return await self._lead_aside(msgspec.convert(started, Call), say)
            followed = await self._follow(caller, started["request_id"], until)
            if followed:
                return followed

    async def _follow(self, caller: Caller, request_id: str, until: float) -> Completion | None:
        """What the leader was answered; None if it left no answer behind."""
        pause = FIRST_LOOK
        while monotonic() < until:
            await self._wait_for(request_id, pause)
            pause = min(pause * 1.5, LAST_LOOK)
            seen = await caller.call(queries.FOLLOW_COMPLETION, {"request_id": request_id})
            match seen["state"]:
                case "answered":
                    return msgspec.convert(seen, Completion)
                case "gone":
                    return None
                case "failed":
                    raise Unanswered(seen["reason"])
                case "declined":
                    raise declined()
        raise EdgeError("provider_unavailable")

    async def _wait_for(self, request_id: str, pause: float) -> None:
        """A moment; until the flight ends, if this process leads it."""
        landed = self._flights.get(request_id)
        if landed is None:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            return
        try:
            await asyncio.wait_for(landed.wait(), self._lease / 3)
        except TimeoutError:
            return

    async def _lead_aside(self, call: Call, say: Say | None) -> Completion:
        """In a task of its own: what cancels the request does not cancel the call."""
        task = asyncio.create_task(self._lead(call, say))
        self._led.add(task)
        task.add_done_callback(self._led.discard)
        task.add_done_callback(_note)
        return await asyncio.shield(task)

    async def _lead(self, call: Call, say: Say | None) -> Completion:
        landed = self._flights[call.request_id] = asyncio.Event()
        started = perf_counter()
        renewal = asyncio.create_task(self._renew(call.request_id))
        try:
            try:
                answer = await self._providers.ask(call, say)
            except Unanswered as failure:
                await self._fail(call, failure, started)
                raise declined() if failure.reason == DECLINED else failure from failure.__cause__
            except Exception as error:
                await self._fail(call, Unanswered("fault", lost=1), started)
                raise EdgeError("internal") from error
            finished = await self._report(
                queries.FINISH_COMPLETION,
                {
                    "request_id": call.request_id,
                    "output": answer.output,
                    "is_cut": answer.is_cut,
                    "tokens": json.dumps(answer.paid),
                    "lost": answer.lost,
                    "latency_ms": _milliseconds(started),
                },
            )
            return msgspec.convert(finished, Completion)
        finally:
            renewal.cancel()
            del self._flights[call.request_id]
            landed.set()

    async def _renew(self, request_id: str) -> None:
        """Say three times a lease that this process lives."""
        service = self._database.as_service()
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                renewed = await service.call(
                    queries.RENEW_COMPLETION, {"request_id": request_id, "lease": self._lease}
                )
            except (psycopg.Error, EdgeError) as error:
                _log.warning("not_renewed", request=request_id, reason=type(error).__name__)
                continue
            if not renewed:
                return

    async def _fail(self, call: Call, failure: Unanswered, started: float) -> None:
        await self._report(
            queries.FAIL_COMPLETION,
            {
                "request_id": call.request_id,
                "reason": failure.reason,
                "tokens": json.dumps(failure.paid) if failure.paid else None,
                "lost": failure.lost,
                "is_declined": failure.reason == DECLINED,
                "latency_ms": _milliseconds(started),
            },
        )

    async def _report(self, query: LiteralString, parameters: dict[str, Any]) -> Any:
        """Tell Postgres, again if it was away for a moment: repeating it changes nothing."""
        service = self._database.as_service()
        for attempt in range(REPORTS):
            try:
                return await service.call(query, parameters)
            except (psycopg.Error, EdgeError) as error:
                known = from_sql(error) if isinstance(error, psycopg.Error) else error
                if known.code != "provider_unavailable" or attempt == REPORTS - 1:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError("the last report returns or raises")


def _milliseconds(started: float) -> int:
    return round((perf_counter() - started) * 1000)


def _note(task: asyncio.Task[Completion]) -> None:
    """Also where nobody waits any more: an exception that nobody fetches is noise."""
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, EdgeError):
        _log.error("call_lost", exc_info=error)
