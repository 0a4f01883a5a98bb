"""What the worker does at Stripe: SQL says what, Stripe answers, SQL takes the answer and ends the job."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, LiteralString

import msgspec

from edge.billing.stripe_api import (
    Document,
    KeyTakenError,
    Stripe,
    StripeRefusedError,
    StripeUnavailableError,
)
from edge.database import Caller
from edge.worker import queries
from edge.worker.job import FINISHED, Finished, Handler, Job, Result, RetryLater
from edge.worker.persistence import until_heard

OUTAGE_PAUSE: Final = 30.0
"""Seconds until a job asks again while Stripe does not answer."""
STUCK_PAUSE: Final = 3600.0
"""The same while Stripe remembers a fault of its own for the key; it forgets within a day."""

_OVER = frozenset({"canceled", "incomplete_expired", "complete", "expired"})


class Work(msgspec.Struct, frozen=True):
    """A job that is held, and what it takes to do it."""

    job: Job
    caller: Caller
    stripe: Stripe

    async def call(self, query: LiteralString, **parameters: object) -> Any:
        """A function of schema edge that takes the job's id and lease first."""
        return await self.caller.call(query, {"id": self.job.id, "lease": self.job.lease, **parameters})

    async def finish(self, query: LiteralString, **parameters: object) -> Finished:
        """Say it until it is heard; what is said twice finds the job ended."""
        await until_heard(lambda: self.call(query, **parameters), self.job.lease_seconds)
        return FINISHED


def billing_handlers(stripe: Stripe) -> Mapping[str, Handler]:
    """The handlers of this domain."""
    return {
        "billing.refetch": _handler(stripe, refetch),
        "billing.create_refund": _handler(stripe, create_refund),
        "billing.cancel_subscription": _handler(stripe, cancel_subscription),
        "billing.expire_checkout": _handler(stripe, expire_checkout),
        "billing.reconcile": _handler(stripe, reconcile),
    }


def _handler(stripe: Stripe, do: Callable[[Work], Awaitable[Result]]) -> Handler:
    """An outage of Stripe burns no attempt."""

    async def attempt(job: Job, caller: Caller) -> Result:
        try:
            return await do(Work(job, caller, stripe))
        except StripeUnavailableError as error:
            reason = f"Stripe does not answer: {type(error.__cause__).__name__}"
            raise RetryLater(reason, seconds=STUCK_PAUSE if error.stuck else OUTAGE_PAUSE) from error

    return attempt


async def refetch(work: Work) -> Result:
    """Bring an object as it is now, with what hangs on it; nothing if Stripe does not have it."""
    wanted = await work.call(queries.START_REFETCH)
    if wanted is None:
        return None
    found = await work.stripe.retrieve(wanted["object"], wanted["id"])
    objects = [found] if found else []
    if found and wanted["object"] == "payment_intent":
        objects += await _hanging_on(found, work.stripe)
    return await work.finish(queries.FINISH_REFETCH, ticket=wanted["ticket"], objects=json.dumps(objects))


async def _hanging_on(payment_intent: Document, stripe: Stripe) -> list[Document]:
    id_, charge_id = payment_intent["id"], payment_intent["latest_charge"]
    # The charge before the refunds: so that whatever it counts as refunded is in their list.
    charge = await stripe.retrieve("charge", charge_id) if charge_id else None
    return [
        *([charge] if charge else []),
        *await stripe.all("refund", payment_intent=id_),
        *await stripe.all("invoice_payment", payment={"type": "payment_intent", "payment_intent": id_}),
        *await stripe.all("dispute", payment_intent=id_),
    ]


async def create_refund(work: Work) -> Result:
    """Refund once: the row is the key, and where its fate is unknown its mark is looked for."""
    wanted = await work.call(queries.START_REFUND)
    if wanted is None:
        return None
    try:
        refund = await _refund(work.stripe, wanted)
    except KeyTakenError:
        raise
    except StripeRefusedError as refused:
        return await work.finish(queries.FINISH_REFUND, refund=None, error=str(refused))
    return await work.finish(queries.FINISH_REFUND, refund=json.dumps(refund), error=None)


async def _refund(stripe: Stripe, wanted: Mapping[str, Any]) -> Document:
    try:
        return await stripe.create_refund(
            wanted["refund_id"], wanted["payment_intent"], wanted["amount"], wanted["reason"]
        )
    except (KeyTakenError, StripeUnavailableError) as error:
        unknown = isinstance(error, KeyTakenError) or error.stuck
        if unknown and (refund := await _made_before(stripe, wanted)):
            return refund
        raise


async def _made_before(stripe: Stripe, wanted: Mapping[str, Any]) -> Document | None:
    refunds = await stripe.all("refund", payment_intent=wanted["payment_intent"])
    return next((r for r in refunds if r["metadata"].get("refund_id") == wanted["refund_id"]), None)


async def cancel_subscription(work: Work) -> Result:
    """End it at Stripe; that it has ended already is as good."""
    wanted = await work.call(queries.START_CANCELLATION)
    if wanted is None:
        return None
    ended = await _ended(work.stripe, "subscription", wanted["stripe_id"], work.stripe.cancel_subscription)
    return await work.finish(queries.FINISH_CANCELLATION, subscription=ended)


async def expire_checkout(work: Work) -> Result:
    """Let nobody pay it any more; if somebody did, bring what became of it."""
    wanted = await work.call(queries.START_EXPIRY)
    if wanted is None:
        return None
    ended = await _ended(
        work.stripe, "checkout.session", wanted["stripe_id"], work.stripe.expire_checkout_session
    )
    return await work.finish(queries.FINISH_EXPIRY, session=ended)


async def _ended(
    stripe: Stripe, kind: str, id_: str, end: Callable[[str], Awaitable[Document]]
) -> str | None:
    """As JSON, the object after its end, whoever ended it; None if Stripe has none."""
    document: Document | None
    try:
        document = await end(id_)
    except StripeRefusedError:
        document = await stripe.retrieve(kind, id_)
        if document and document["status"] not in _OVER:
            raise
    return json.dumps(document) if document else None


async def reconcile(work: Work) -> Result:
    """Carry all that Stripe has, page by page; where a crash stopped it, the committed cursor goes on.

    A page is said once: the same words again would count for the next one.
    """
    step = await work.call(queries.START_RECONCILIATION)
    if step is None:
        return None
    while step is not None:
        objects, has_more = await work.stripe.page(step["resource"], **_cursor(step))
        step = await work.call(queries.RECONCILE_PAGE, objects=json.dumps(objects), has_more=has_more)
    return FINISHED


def _cursor(step: Mapping[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if step["resource"] == "subscription":
        params["status"] = "all"
    if step["after"] is not None:
        params["starting_after"] = step["after"]
    if step["since"] is not None:
        params["created"] = {"gte": step["since"]}
    return params
