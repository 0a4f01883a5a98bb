"""`python -m tests.edge.doomed_ai_edge`: an edge that is killed at the step DOOM of its first AI call.

SIGKILL, all its processes: nothing is cleaned up, no answer is sent. With DOOM=never it stands until a
test kills it. With VARIANT=settles_first it counts the call before the provider is asked, which the tests
must notice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from granian.constants import Interfaces
from granian.server import Server
from litestar.types import ASGIApp

import edge.app
from edge import queries
from edge.ai.call import Answer, Call, Say
from edge.ai.completions import Completion, Completions
from edge.ai.providers import Providers
from edge.database import CALL_TIMEOUT, Caller
from tests.edge.doomed_edge import doom

STEPS: Final = ("after_start", "after_call", "after_finish")
"""`after_call`: the provider has answered, and Postgres was not told."""

_AFTER_CALL: Mapping[str, str] = {
    queries.START_COMPLETION: "after_start",
    queries.FINISH_COMPLETION: "after_finish",
}

_call = Caller.call
_ask = Providers.ask
_lead = Completions._lead


async def call(
    self: Caller,
    query: LiteralString,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout: float = CALL_TIMEOUT,
) -> Any:
    answer = await _call(self, query, parameters, timeout=timeout)
    doom(_AFTER_CALL.get(query, ""))
    return answer


async def ask(self: Providers, call: Call, say: Say | None) -> Answer:
    answer = await _ask(self, call, say)
    doom("after_call")
    return answer


async def settle_first(self: Completions, call: Call, say: Say | None) -> Completion:
    report = {"request_id": call.request_id, "output": "?", "is_cut": False, "lost": 0, "latency_ms": 1}
    await _call(self._database.as_service(), queries.FINISH_COMPLETION, {**report, "tokens": "{}"})
    doom("after_settling")
    return await _lead(self, call, say)


def create_doomed_app() -> ASGIApp:
    """What the server's process loads."""
    Caller.call = call  # type: ignore[method-assign]
    Providers.ask = ask  # type: ignore[method-assign]
    if os.environ.get("VARIANT") == "settles_first":
        Completions._lead = settle_first  # type: ignore[method-assign]
    return edge.app.create_worker_app()


if __name__ == "__main__":
    os.setsid()  # so that the end of its group is not the end of the tests
    Server(
        "tests.edge.doomed_ai_edge:create_doomed_app",
        factory=True,
        interface=Interfaces.ASGI,
        port=int(os.environ["EDGE_PORT"]),
    ).serve()
