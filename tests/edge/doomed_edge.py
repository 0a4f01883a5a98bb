"""`python -m tests.edge.doomed_edge`: an edge that is killed at the step DOOM of its first checkout or event.

SIGKILL, all its processes: nothing is cleaned up, no answer is sent. With KEYS=new it takes a new
idempotency key for each call, which the tests must notice.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any, Final, LiteralString
from uuid import uuid4

from granian.constants import Interfaces
from granian.server import Server
from litestar.types import ASGIApp

import edge.app
from edge.billing.stripe_api import Document, Stripe
from edge.database import CALL_TIMEOUT, Caller

STEPS: Final = (
    "before_staging",
    "after_staging",
    "after_customer",
    "after_binding",
    "after_session",
    "after_opening",
)
EVENT_STEPS: Final = ("before_receiving", "after_receiving")

_AFTER_CALL: Mapping[str, str] = {
    "edge.start_": "after_staging",
    "edge.bind_stripe_customer": "after_binding",
    "edge.open_checkout": "after_opening",
    "edge.receive_stripe_event": "after_receiving",
}


def doom(step: str) -> None:
    """The end, if this is the step."""
    if os.environ["DOOM"] == step:
        os.killpg(os.getpgrp(), signal.SIGKILL)


class DoomedStripe(Stripe):
    async def create_customer(self, customer_id: str, email: str | None) -> str:
        made = await super().create_customer(customer_id, email)
        doom("after_customer")
        return made

    async def create_checkout_session(self, checkout_id: str, params: Any) -> Document:
        key = checkout_id if os.environ.get("KEYS") != "new" else str(uuid4())
        made = await super().create_checkout_session(key, params)
        doom("after_session")
        return made


_call = Caller.call


async def call(
    self: Caller,
    query: LiteralString,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout: float = CALL_TIMEOUT,
) -> Any:
    if "edge.start_" in query:
        doom("before_staging")
    if "edge.receive_stripe_event" in query:
        doom("before_receiving")
    answer = await _call(self, query, parameters, timeout=timeout)
    for name, step in _AFTER_CALL.items():
        if name in query:
            doom(step)
    return answer


def create_doomed_app() -> ASGIApp:
    """What the server's process loads."""
    Caller.call = call  # type: ignore[method-assign]
    edge.app.Stripe = DoomedStripe  # type: ignore[attr-defined]
    return edge.app.create_worker_app()


if __name__ == "__main__":
    os.setsid()  # so that the end of its group is not the end of the tests
    Server(
        "tests.edge.doomed_edge:create_doomed_app",
        factory=True,
        interface=Interfaces.ASGI,
        port=int(os.environ["EDGE_PORT"]),
    ).serve()
