"""Refunds: together never more than what was captured."""

from __future__ import annotations

from stripe.params._refund_create_params import RefundCreateParams
from stripe.params._refund_list_params import RefundListParams
from stripe.params._refund_retrieve_params import RefundRetrieveParams
from stripe.params._refund_update_params import RefundUpdateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.balance import book
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document

FINAL = frozenset({"failed", "canceled"})
NEXT = {"pending": {"succeeded", "failed"}, "succeeded": {"failed"}}
"""Where a refund can go; one that succeeded may still come back from the bank."""


def create(account: Account, params: Params) -> Document:
    charge = _charge(account, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    _require_refundable(charge, left)
    amount = params.get("amount", left)
    if amount < 1:
        raise invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, "amount")
    refund = _new_refund(account, charge, amount, params)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    account.save(charge)
    account.emit("refund.created", refund)
    account.emit("charge.refunded", charge, _before(charge, amount))
    return refund


def _charge(account: Account, params: Params) -> Document:
    if "charge" in params:
        return account.get("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise invalid(message, "charge", "parameter_missing")
    intent = account.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return account.get("charge", intent["latest_charge"])


def _require_refundable(charge: Document, left: int) -> None:
    if not charge["captured"]:
        raise invalid(f"Charge {charge['id']} was not captured, so it cannot be refunded.", "charge")
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            "charge",
            "charge_disputed",
        )
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, "charge", "charge_already_refunded")


def _new_refund(account: Account, charge: Document, amount: int, params: Params) -> Document:
    card = charge["payment_method_details"]["type"] == "card"
    refund: Document = {
        "id": account.new_id("re" if card else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination() if card else None,
        "metadata": merged({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded" if card else "pending",
        "transfer_reversal": None,
    }
    refund["balance_transaction"] = book(account, "refund", -amount, refund)["id"]
    return account.save(refund)


def _destination() -> Document:
    return {
        "type": "card",
        "card": {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        },
    }


def _before(charge: Document, amount: int) -> Document:
    before = copied(charge)
    return before | {"amount_refunded": charge["amount_refunded"] - amount, "refunded": False}


def move(account: Account, refund: Document, status: str) -> Document:
    """The bank reports: a pending refund arrives or fails, one that arrived comes back."""
    if status not in NEXT.get(refund["status"], set()):
        raise invalid(f"A refund that is {refund['status']} cannot become {status}.", "status")
    before = copied(refund)
    refund["status"] = status
    charge = account.get("charge", refund["charge"])
    if status == "failed":
        booked = book(account, "refund_failure", refund["amount"], refund)
        refund |= {"failure_balance_transaction": booked["id"], "failure_reason": "expired_or_canceled_card"}
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        account.save(charge)
    account.save(refund)
    if status == "failed":
        account.emit("refund.failed", refund)
    account.emit("refund.updated", refund, before)
    account.emit("charge.refund.updated", refund, before)
    return refund


def update(account: Account, params: Params, id_: str) -> Document:
    refund = account.get("refund", id_)
    before = copied(refund)
    refund["metadata"] = merged(refund["metadata"], params.get("metadata"))
    if refund != before:
        account.emit("refund.updated", account.save(refund), before)
    return refund


ROUTES = (
    Route("POST", "/v1/refunds", create, RefundCreateParams),
    Route("GET", "/v1/refunds", listing("refund", "/v1/refunds"), RefundListParams),
    Route("GET", "/v1/refunds/{}", retrieving("refund"), RefundRetrieveParams),
    Route("POST", "/v1/refunds/{}", update, RefundUpdateParams),
)
