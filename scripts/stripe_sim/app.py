"""The simulator over HTTP: the API below /v1, pages for people, control below /_sim."""

from __future__ import annotations

import asyncio
import contextlib
import os
import traceback
from collections.abc import AsyncIterator
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response, Router, route
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import Scope

from scripts.stripe_sim import api, control, pages
from scripts.stripe_sim.errors import ApiError
from scripts.stripe_sim.settings import Settings
from scripts.stripe_sim.simulator import Simulator

TICK = 1.0
"""Seconds between looks at what became due."""
HANGS_FOR = 60.0
"""Seconds after which also a request that hangs is answered."""

Incoming = Request[Any, Any, Any]


@route("/v1/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE])
async def answer_api(simulator: Simulator, request: Incoming) -> Response[bytes]:
    """What an SDK asks."""
    body = (await request.body()).decode(errors="replace")
    query = request.scope["query_string"].decode()
    headers = {name.lower(): value for name, value in request.headers.items()}
    sent = api.Request(request.method, request.url.path, body or query, headers)
    answer = simulator.api.answer(sent)
    if answer.hangs:
        await _hang(simulator, answer.place)
    return Response(
        answer.content, status_code=answer.status, headers=answer.headers, media_type="application/json"
    )


async def _hang(simulator: Simulator, place: str) -> None:
    """The work is done, but the answer does not come; meanwhile its idempotency key is in use."""
    under_way = simulator.api.keys.under_way
    under_way.add(place)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(simulator.faults.released.wait(), HANGS_FOR)
    finally:
        under_way.discard(place)


def create_app(simulator: Simulator) -> Litestar:
    """Serve this simulator."""

    @contextlib.asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(simulator.courier.run()), asyncio.create_task(_tick(simulator))]
        for task in tasks:
            task.add_done_callback(_complain)
        simulator.courier.wake()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await simulator.courier.close()
            simulator.close()

    return Litestar(
        route_handlers=[
            answer_api,
            Router("/", route_handlers=pages.HANDLERS, exception_handlers={ApiError: pages.answer_with_page}),
            Router(
                "/", route_handlers=control.HANDLERS, exception_handlers={ApiError: control.answer_with_error}
            ),
        ],
        dependencies={"simulator": Provide(lambda: simulator, sync_to_thread=False, use_cache=True)},
        lifespan=[running],
        after_exception=[_log],
        openapi_config=None,
        logging_config=None,
    )


async def _tick(simulator: Simulator) -> None:
    """With real time, things become due by themselves."""
    while True:
        await asyncio.sleep(TICK)
        if simulator.account.clock.frozen is None and simulator.timers.run(simulator.account.now):
            simulator.courier.wake()


def _complain(task: asyncio.Task[None]) -> None:
    """Nothing but the end of the process ends these tasks."""
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)


async def _log(error: Exception, _: Scope) -> None:
    """Into the part's log, unless it is an answer."""
    if not isinstance(error, (ApiError, HTTPException)):
        traceback.print_exception(error)


def create_worker_app() -> Litestar:
    """What the server's one process loads."""
    return create_app(Simulator(Settings.from_env(os.environ)))
