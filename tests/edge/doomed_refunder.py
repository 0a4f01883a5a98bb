"""`python -m tests.edge.doomed_refunder`: a worker that is killed at the step DOOM of its first refund.

With another VARIANT than `sound` it is broken on purpose, so that a kill does harm:

    rekeyed  gives Stripe a new key with each attempt
    forgets  ends the job, then asks Stripe
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final, LiteralString
from uuid import uuid4

from edge.billing.stripe_api import Document, Stripe
from edge.database import CALL_TIMEOUT, Caller
from edge.worker.__main__ import main

STEPS: Final = ("after_start", "after_refund", "after_finish")


def doom(step: str) -> None:
    """The end, if this is the step."""
    if os.environ["DOOM"] == step:
        os.kill(os.getpid(), signal.SIGKILL)


_call, _create_refund = Caller.call, Stripe.create_refund


async def call(
    self: Caller,
    query: LiteralString,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout: float = CALL_TIMEOUT,
) -> Any:
    moment = next((name for name in ("start", "finish") if f"edge.{name}_refund" in query), None)
    answer = await _call(self, query, parameters, timeout=timeout)
    if moment == "start" and os.environ["VARIANT"] == "forgets":
        assert parameters
        await _call(
            self, "select edge.complete_jobs(array[%(id)s::bigint], array[%(lease)s::bigint])", parameters
        )
    if moment:
        doom(f"after_{moment}")
    return answer


async def create_refund(
    self: Stripe, refund_id: str, payment_intent: str, amount: int, reason: str | None
) -> Document:
    key = str(uuid4()) if os.environ["VARIANT"] == "rekeyed" else refund_id
    made = await _create_refund(self, key, payment_intent, amount, reason)
    doom("after_refund")
    return made


if __name__ == "__main__":
    Caller.call = call  # type: ignore[method-assign]
    Stripe.create_refund = create_refund  # type: ignore[method-assign]
    sys.exit(main())
