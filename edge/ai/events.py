"""An answer as server-sent events: `delta` as the model speaks, then `done`, or `error`.

What goes wrong before the first word is an ordinary problem with its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar.response import Stream

from edge.ai.call import Say
from edge.ai.completions import Completion, Limits, Usage
from edge.problems import problem_of

MEDIA_TYPE: Final = "text/event-stream"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Delta(msgspec.Struct, frozen=True):
    text: str


class Done(msgspec.Struct, frozen=True):
    """All of a completion but its output, which was said."""

    request_id: UUID
    cached: bool
    truncated: bool
    usage: Usage
    limits: Limits | None


class EventStream(Stream):
    """A stream that stays what it is: Litestar would call it what the route answers otherwise."""

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        return super().to_asgi_response(*args, **{**options, "media_type": MEDIA_TYPE})


async def streamed(answering: Callable[[Say], Coroutine[Any, Any, Completion]]) -> Stream:
    """The stream of an answer that has begun; raises what went wrong before."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    task = asyncio.create_task(answering(pieces.put_nowait))

    def end(done: asyncio.Task[Completion]) -> None:
        if not done.cancelled():
            done.exception()  # fetched, also if nobody listens any more
        pieces.put_nowait(None)

    task.add_done_callback(end)
    try:
        first = await pieces.get()
    except asyncio.CancelledError:
        task.cancel()
        raise
    if first is None:
        first = (await task).output
        pieces.put_nowait(None)
    return EventStream(_events(first, pieces, task), media_type=MEDIA_TYPE, headers=_HEADERS)


async def _events(
    first: str, pieces: asyncio.Queue[str | None], task: asyncio.Task[Completion]
) -> AsyncIterator[bytes]:
    try:
        text: str | None = first
        while text is not None:
            yield _event("delta", Delta(text))
            text = await pieces.get()
        answer = await task
    except Exception as error:
        yield _event("error", problem_of(error))
        return
    finally:
        # A follower whose client went needs no answer; what is led goes on by itself.
        task.cancel()
    done = Done(answer.request_id, answer.cached, answer.truncated, answer.usage, answer.limits)
    yield _event("done", done)


def _event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
