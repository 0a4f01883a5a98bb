"""How a payment intent moves: from wanting a method to succeeded or canceled, which are for ever.

requires_payment_method → requires_confirmation → requires_action → processing → succeeded
a refusal leads back to requires_payment_method; manual capture stops at requires_capture
"""

from __future__ import annotations

from collections.abc import Mapping

from scripts.stripe_sim import charges
from scripts.stripe_sim.account import Account
from scripts.stripe_sim.clock import DAY
from scripts.stripe_sim.errors import decline_message, invalid
from scripts.stripe_sim.payment_methods import AUTHENTICATE, PROCESSING, SUCCEED
from scripts.stripe_sim.routes import Params
from scripts.stripe_sim.store import Document

OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
CANCELABLE = OPEN | {"requires_capture"}
SETTLES_AFTER = 4 * DAY
"""So long a bank takes for a debit."""
MINIMUM: Mapping[str, int] = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "cad": 50, "aud": 50, "chf": 50}


def new_intent(account: Account, amount: int, currency: str, params: Params) -> Document:
    """An intent without a method; `params` holds what else the caller said."""
    if amount < MINIMUM.get(currency, 1):
        raise invalid(
            f"Amount must be at least {MINIMUM.get(currency, 1)} {currency}.", "amount", "amount_too_small"
        )
    if amount > 99_999_999:
        raise invalid("Amount must be no more than 99999999.", "amount", "amount_too_large")
    id_ = account.new_id("pi")
    intent: Document = {
        "id": id_,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": params.get("automatic_payment_methods"),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": account.secret_of(id_),
        "confirmation_method": "automatic",
        "created": account.now,
        "currency": currency,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": params.get("metadata") or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": params.get("shipping"),
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }
    account.emit("payment_intent.created", account.save(intent))
    return intent


def attempt(account: Account, intent: Document, method: Document, outcome: str) -> Document:
    """Try to pay; afterwards the intent's status says how it went."""
    if intent["status"] not in OPEN:
        raise unexpected_state(intent, "confirm")
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    outcome = _declined_by_order(account) if outcome == SUCCEED else outcome
    if outcome == AUTHENTICATE:
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
        }
        account.emit("payment_intent.requires_action", account.save(intent))
        return intent
    charge = charges.new_charge(account, intent, method)
    if outcome == PROCESSING:
        intent["status"] = "processing"
        account.emit("charge.pending", charge)
        account.emit("payment_intent.processing", account.save(intent))
        account.schedule("settle", intent["id"], account.now + SETTLES_AFTER)
    elif outcome == SUCCEED:
        _succeed(account, intent, charge)
    else:
        _fail(account, intent, charge, outcome)
    return intent


def fail_authentication(account: Account, intent: Document) -> Document:
    """The customer did not prove that it is them."""
    error = _error(account, intent, "authentication_failed", None)
    error |= {"code": "payment_intent_authentication_failure", "type": "invalid_request_error"}
    error["message"] = "The provided PaymentMethod has failed authentication."
    changed = {"status": "requires_payment_method", "payment_method": None, "next_action": None}
    intent |= changed | {"last_payment_error": error}
    account.emit("payment_intent.payment_failed", account.save(intent))
    return intent


def settle(account: Account, intent: Document, outcome: str) -> Document:
    """The bank of a debit answers."""
    if intent["status"] != "processing":
        raise unexpected_state(intent, "settle")
    account.unschedule("settle", intent["id"])
    charge = account.get("charge", intent["latest_charge"])
    if outcome in {SUCCEED, PROCESSING}:
        _succeed(account, intent, charge)
    else:
        _fail(account, intent, charge, outcome)
    return intent


def capture(account: Account, intent: Document, amount: int | None) -> Document:
    """Take what was reserved, or less; the rest is released."""
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "capture")
    wanted = intent["amount_capturable"] if amount is None else amount
    if not 0 < wanted <= intent["amount_capturable"]:
        message = "The payment intent could not be captured because the requested amount is too large."
        raise invalid(message, "amount_to_capture", "amount_too_large")
    charge = account.get("charge", intent["latest_charge"])
    charges.take(account, charge, wanted)
    account.emit("charge.captured", account.save(charge))
    intent |= {"status": "succeeded", "amount_received": wanted, "amount_capturable": 0}
    account.emit("payment_intent.succeeded", account.save(intent))
    return intent


def cancel(account: Account, intent: Document, reason: str | None) -> Document:
    """Nothing will be paid with it any more."""
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(intent, "cancel")
    intent |= {"status": "canceled", "canceled_at": account.now, "cancellation_reason": reason}
    intent |= {"next_action": None, "amount_capturable": 0}
    account.emit("payment_intent.canceled", account.save(intent))
    return intent


def decline_next(account: Account, times: int, code: str) -> None:
    """Refuse the next attempts that would succeed."""
    account.store.save("setting", "declines", {"times": times, "code": code})


def unexpected_state(intent: Document, verb: str) -> Exception:
    message = (
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. "
        "Only a PaymentIntent in another status can be changed that way."
    )
    return invalid(message, None, "payment_intent_unexpected_state")


def _declined_by_order(account: Account) -> str:
    """A success, unless a decline was ordered."""
    order = account.store.find("setting", "declines")
    if not order or order["times"] < 1:
        return SUCCEED
    decline_next(account, order["times"] - 1, order["code"])
    return str(order["code"])


def _succeed(account: Account, intent: Document, charge: Document) -> None:
    manual = intent["capture_method"] == "manual"
    charges.succeed(account, charge, capture=not manual)
    if manual:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        account.emit("payment_intent.amount_capturable_updated", account.save(intent))
        return
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    account.emit("payment_intent.succeeded", account.save(intent))


def _fail(account: Account, intent: Document, charge: Document, decline_code: str) -> None:
    charges.fail(account, charge, decline_code)
    error = _error(account, intent, decline_code, charge["id"])
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error}
    account.emit("payment_intent.payment_failed", account.save(intent))


def _error(account: Account, intent: Document, decline_code: str, charge: str | None) -> Document:
    return {
        "charge": charge,
        "code": "card_declined",
        "decline_code": decline_code,
        "message": decline_message(decline_code),
        "payment_method": account.find("payment_method", intent["payment_method"]),
        "type": "card_error",
    }
