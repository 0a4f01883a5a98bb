"""The stand-in over HTTP: Anthropic below /anthropic, OpenAI below /openai, control below /_sim."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable
from typing import Any

from litestar import Litestar, Request, Response, asgi, get
from litestar.di import Provide
from litestar.types import Receive, Scope, Send

from scripts.ai_sim import control
from scripts.ai_sim.answers import count
from scripts.ai_sim.calls import Call
from scripts.ai_sim.dialect import Dialect, Refusal
from scripts.ai_sim.settings import Settings
from scripts.ai_sim.simulator import Answer, Simulator, refused, reported

HANGS_FOR = 120.0
"""Seconds after which also a call that hangs is answered."""


class Left(Exception):
    """The client no longer listens."""


def create_app(simulator: Simulator) -> Litestar:
    """Serve this stand-in."""

    def calling(dialect: Dialect, path: str) -> Any:
        @asgi(path, copy_scope=False)
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            request: Request[Any, Any, Any] = Request(scope, receive, send)
            headers = {name.lower(): value for name, value in request.headers.items()}
            content = await _body(receive)
            id_ = simulator.next_id()
            if scope["method"] != "POST":  # type: ignore[typeddict-item]
                answer = refused(dialect, id_, Refusal(405, "invalid_request_error", "Method Not Allowed"))
                await _send(simulator, None, answer, receive, send)
                return
            made, answer = simulator.answer(dialect, id_, headers, content)
            calls = simulator.calls
            try:
                await _send(simulator, made, answer, receive, send)
            finally:
                if made:
                    calls.end()

        return call

    anthropic, openai = simulator.dialects["anthropic"], simulator.dialects["openai"]
    return Litestar(
        route_handlers=[
            calling(anthropic, "/anthropic/v1/messages"),
            calling(openai, "/openai/v1/chat/completions"),
            list_models,
            show_model,
            *control.HANDLERS,
        ],
        dependencies={"simulator": Provide(lambda: simulator, sync_to_thread=False, use_cache=True)},
        openapi_config=None,
        logging_config=None,
    )


@get("/{provider:str}/v1/models", sync_to_thread=False)
def list_models(simulator: Simulator, provider: str, request: Request[Any, Any, Any]) -> Response[bytes]:
    return _catalogue(simulator, provider, request, None)


@get("/{provider:str}/v1/models/{model:str}", sync_to_thread=False)
def show_model(
    simulator: Simulator, provider: str, model: str, request: Request[Any, Any, Any]
) -> Response[bytes]:
    return _catalogue(simulator, provider, request, model)


def _catalogue(
    simulator: Simulator, provider: str, request: Request[Any, Any, Any], model: str | None
) -> Response[bytes]:
    dialect = simulator.dialects.get(provider)
    if dialect is None:
        return Response(b"", status_code=404)
    try:
        dialect.authenticate({name.lower(): value for name, value in request.headers.items()})
        body = dialect.models() if model is None else dialect.model(model)
    except Refusal as refusal:
        answer = refused(dialect, simulator.next_id(), refusal)
        return Response(answer.chunks[0], status_code=answer.status, media_type="application/json")
    return Response(control.encoded(body), media_type="application/json")


async def _send(
    simulator: Simulator, call: Call | None, answer: Answer, receive: Receive, send: Send
) -> None:
    """Chunk by chunk, as long as the client listens and nothing breaks the connection."""
    released = simulator.faults.released
    leaving = asyncio.ensure_future(_until_left(receive))
    sent = 0
    try:
        if not answer.pieces:
            await _meanwhile(asyncio.sleep(answer.pause), leaving)
        if answer.hangs_at == 0:
            await _meanwhile(_wait(released), leaving)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        for index, chunk in enumerate(answer.chunks):
            if index in answer.pieces:
                await _meanwhile(asyncio.sleep(answer.pause), leaving)
            if index == answer.hangs_at and index > 0:
                await _meanwhile(_wait(released), leaving)
            if index == answer.breaks_at:
                return  # without the end that the protocol wants
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent = index + 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if call:
            call.whole = answer.status == 200 and answer.is_whole
    except Left:
        pass
    finally:
        leaving.cancel()
        if call:
            call.reported = reported(answer.chunks[:sent])
            if answer.pieces and not call.whole:
                call.output_tokens = count("".join(text for at, text in answer.pieces.items() if at < sent))


async def _meanwhile(awaited: Awaitable[Any], leaving: asyncio.Future[None]) -> None:
    """Raise `Left` if the client goes first."""
    waiting = asyncio.ensure_future(awaited)
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise Left
    finally:
        waiting.cancel()


async def _wait(released: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(released.wait(), HANGS_FOR)


async def _body(receive: Receive) -> bytes:
    """As large as it is: the providers have their own limits."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def create_worker_app() -> Litestar:
    """What the server's one process loads."""
    return create_app(Simulator(Settings.from_env(os.environ)))
