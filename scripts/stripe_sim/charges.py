"""Charges: each attempt to take money, made by a payment intent."""

from __future__ import annotations

from stripe.params._charge_list_params import ChargeListParams
from stripe.params._charge_retrieve_params import ChargeRetrieveParams
from stripe.params._charge_update_params import ChargeUpdateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.balance import book, fee_of
from scripts.stripe_sim.errors import decline_message
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import charge_details
from scripts.stripe_sim.routes import Params, Route, listing, retrieving
from scripts.stripe_sim.store import Document


def new_charge(account: Account, intent: Document, method: Document) -> Document:
    """A charge that is neither paid nor failed yet."""
    id_ = account.new_id("py" if method["type"] == "us_bank_account" else "ch")
    charge: Document = {
        "id": id_,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "GROUNDWORK",
        "captured": False,
        "created": account.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": charge_details(method),
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    intent["latest_charge"] = id_
    return account.save(charge)


def succeed(account: Account, charge: Document, *, capture: bool = True) -> None:
    """The money is taken, or only reserved."""
    charge |= {"status": "succeeded", "paid": True, "outcome": _outcome("authorized", "approved_by_network")}
    if capture:
        take(account, charge, charge["amount"])
    account.emit("charge.succeeded", account.save(charge))


def take(account: Account, charge: Document, amount: int) -> None:
    """Capture that much of it."""
    booked = book(account, "charge", amount, charge, fee_of(amount))
    charge |= {"captured": True, "amount_captured": amount, "balance_transaction": booked["id"]}


def fail(account: Account, charge: Document, decline_code: str) -> None:
    """The bank refused."""
    outcome = _outcome("issuer_declined", "declined_by_network", decline_code)
    message = decline_message(decline_code)
    charge |= {"status": "failed", "outcome": outcome}
    charge |= {"failure_code": "card_declined", "failure_message": message}
    account.emit("charge.failed", account.save(charge))


def _outcome(type_: str, network_status: str, reason: str | None = None) -> Document:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "seller_message": "Payment complete." if type_ == "authorized" else "The bank declined the payment.",
        "type": type_,
    }


def update(account: Account, params: Params, id_: str) -> Document:
    charge = account.get("charge", id_)
    before = copied(charge)
    charge |= {name: params[name] for name in ("description", "receipt_email") if name in params}
    charge["metadata"] = merged(charge["metadata"], params.get("metadata"))
    if charge != before:
        account.emit("charge.updated", account.save(charge), before)
    return charge


ROUTES = (
    Route("GET", "/v1/charges", listing("charge", "/v1/charges"), ChargeListParams),
    Route("GET", "/v1/charges/{}", retrieving("charge"), ChargeRetrieveParams),
    Route("POST", "/v1/charges/{}", update, ChargeUpdateParams),
)
