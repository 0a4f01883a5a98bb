"""What tests and developers ask of the simulator itself, as JSON under `/_sim`.

GET  /_sim/health                          it is there
GET  /_sim/state                           every object by kind, clock, webhook, adversary, what waits
POST /_sim/reset {seed?, frozen?}          forget everything; `frozen`: time stands still at these seconds
POST /_sim/clock {seconds} or {to}         advance: renew, expire, settle, dun, in the order of time
PUT  /_sim/webhook {url, secrets, api_version, events, hold}
                                           what is not named stays; `hold`: deliver only when flushed
PUT  /_sim/adversary {seed, duplicate, reorder, delay, drop, fail, same_second, parallel, …}
                                           what is not named is off
GET  /_sim/deliveries                      what waits, and what became of the rest
POST /_sim/deliveries/flush {everything?}  deliver what is due, or all that waits, and wait for the answers
POST /_sim/deliveries/resend {event}       deliver an event once more
POST /_sim/decline {times?, code?}         refuse the next payments that would succeed
POST /_sim/faults {how, times?, method?, path?}
                                           the next API requests go wrong: see `faults.How`
POST /_sim/faults/clear                    … no longer; what hangs is answered
POST /_sim/disputes {charge, reason?}      a customer's bank takes the money back
POST /_sim/disputes/{id} {status}          won or lost
POST /_sim/refunds/{id} {status}           the bank reports: succeeded or failed
POST /_sim/payment_intents/{id}/settle {outcome?}
                                           a bank debit ends: `succeed`, or the code of a decline
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response, get, post, put

from scripts.stripe_sim import disputes, intents, paying, refunds
from scripts.stripe_sim.adversary import Adversary
from scripts.stripe_sim.errors import ApiError, invalid
from scripts.stripe_sim.faults import Fault
from scripts.stripe_sim.payment_methods import SUCCEED
from scripts.stripe_sim.simulator import Simulator
from scripts.stripe_sim.store import Document

SHOWN = (
    "balance_transaction",
    "charge",
    "checkout.session",
    "customer",
    "dispute",
    "event",
    "invoice",
    "invoice_payment",
    "payment_intent",
    "payment_method",
    "price",
    "product",
    "refund",
    "subscription",
)
MAX_MOMENT = 2**40


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    seed: str | None = None
    frozen: int | None = None


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    seconds: int | None = None
    to: int | None = None


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True):
    url: str | msgspec.UnsetType = msgspec.UNSET
    secrets: list[str] | msgspec.UnsetType = msgspec.UNSET
    api_version: str | msgspec.UnsetType | None = msgspec.UNSET
    events: list[str] | msgspec.UnsetType = msgspec.UNSET
    hold: bool | msgspec.UnsetType = msgspec.UNSET


class Flush(msgspec.Struct, forbid_unknown_fields=True):
    everything: bool = False


class Resend(msgspec.Struct, forbid_unknown_fields=True):
    event: str


class Decline(msgspec.Struct, forbid_unknown_fields=True):
    times: int = 1
    code: str = "generic_decline"


class OpenDispute(msgspec.Struct, forbid_unknown_fields=True):
    charge: str
    reason: str = "fraudulent"


class CloseDispute(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["won", "lost"]


class MoveRefund(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["succeeded", "failed"]


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    outcome: str = SUCCEED


@get("/_sim/health", sync_to_thread=False)
def health() -> dict[str, bool]:
    return {"ok": True}


@get("/_sim/state", sync_to_thread=False)
def state(simulator: Simulator) -> dict[str, Any]:
    account = simulator.account
    with account.transaction():
        return {
            "now": account.now,
            "seed": account.seed,
            "objects": {kind: account.all(kind) for kind in SHOWN},
            "webhook": simulator.deliveries.webhook,
            "adversary": simulator.deliveries.adversary,
            "pending": len(account.all("pending")),
            "hanging": len(simulator.api.keys.under_way),
        }


@post("/_sim/reset", status_code=200)
async def reset(simulator: Simulator, data: Reset) -> dict[str, Any]:
    simulator.reset(data.seed, data.frozen)
    return {"now": simulator.account.now}


@post("/_sim/clock", status_code=200)
async def advance(simulator: Simulator, data: Advance) -> dict[str, int]:
    now = simulator.account.now
    to = data.to if data.to is not None else now + (data.seconds or 0)
    if not now <= to <= MAX_MOMENT:
        raise invalid("The clock can only go forward.")
    happened = simulator.advance(to)
    simulator.courier.wake()
    return {"now": simulator.account.now, "happened": happened}


@put("/_sim/webhook")
async def set_webhook(simulator: Simulator, data: WebhookChange) -> Document:
    with simulator.account.transaction():
        changed = msgspec.to_builtins(simulator.deliveries.webhook) | msgspec.to_builtins(data)
        simulator.deliveries.configure(msgspec.convert(changed, type(simulator.deliveries.webhook)))
    simulator.courier.wake()
    return dict(changed)


@put("/_sim/adversary")
async def set_adversary(simulator: Simulator, data: Adversary) -> Adversary:
    with simulator.account.transaction():
        simulator.deliveries.configure(data)
    return data


@get("/_sim/deliveries", sync_to_thread=False)
def list_deliveries(simulator: Simulator) -> dict[str, list[Document]]:
    with simulator.account.transaction():
        ended = simulator.account.all("delivered")
        return {"pending": simulator.deliveries.pending(), "ended": ended}


@post("/_sim/deliveries/flush", status_code=200)
async def flush(simulator: Simulator, data: Flush) -> dict[str, int]:
    made = await simulator.courier.flush(everything=data.everything)
    return {"delivered": made, "pending": len(simulator.store.keys("pending"))}


@post("/_sim/deliveries/resend", status_code=200)
async def resend(simulator: Simulator, data: Resend) -> dict[str, bool]:
    with simulator.account.transaction():
        simulator.deliveries.resend(data.event)
    simulator.courier.wake()
    return {"ok": True}


@post("/_sim/decline", status_code=200)
async def decline(simulator: Simulator, data: Decline) -> Decline:
    with simulator.account.transaction():
        intents.decline_next(simulator.account, data.times, data.code)
    return data


@post("/_sim/faults", status_code=200)
async def order_fault(simulator: Simulator, data: Fault) -> Fault:
    simulator.faults.order(data)
    return data


@post("/_sim/faults/clear", status_code=200)
async def clear_faults(simulator: Simulator) -> dict[str, bool]:
    simulator.faults.clear()
    return {"ok": True}


@post("/_sim/disputes", status_code=200)
async def open_dispute(simulator: Simulator, data: OpenDispute) -> Document:
    account = simulator.account
    with account.transaction():
        return disputes.open_dispute(account, account.get("charge", data.charge, "charge"), data.reason)


@post("/_sim/disputes/{dispute_id:str}", status_code=200)
async def close_dispute(simulator: Simulator, dispute_id: str, data: CloseDispute) -> Document:
    account = simulator.account
    with account.transaction():
        return disputes.close_dispute(account, account.get("dispute", dispute_id), data.status)


@post("/_sim/refunds/{refund_id:str}", status_code=200)
async def move_refund(simulator: Simulator, refund_id: str, data: MoveRefund) -> Document:
    account = simulator.account
    with account.transaction():
        return refunds.move(account, account.get("refund", refund_id), data.status)


@post("/_sim/payment_intents/{intent_id:str}/settle", status_code=200)
async def settle(simulator: Simulator, intent_id: str, data: Settle) -> Document:
    account = simulator.account
    with account.transaction():
        return paying.settle(account, account.get("payment_intent", intent_id), data.outcome)


def answer_with_error(_: Any, error: ApiError) -> Response[dict[str, Any]]:
    return Response(error.body, status_code=error.status)


HANDLERS = (
    health,
    state,
    reset,
    advance,
    set_webhook,
    set_adversary,
    list_deliveries,
    flush,
    resend,
    decline,
    order_fault,
    clear_faults,
    open_dispute,
    close_dispute,
    move_refund,
    settle,
)
