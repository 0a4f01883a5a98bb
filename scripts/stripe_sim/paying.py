"""What a person does at the pay page, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from scripts.stripe_sim import intents, invoices
from scripts.stripe_sim.account import Account
from scripts.stripe_sim.checkout import lines_of
from scripts.stripe_sim.customers import new_customer
from scripts.stripe_sim.errors import decline_message, invalid
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import (
    AUTHENTICATE,
    PROCESSING,
    SUCCEED,
    attach,
    new_method,
)
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscription_api import trial_end
from scripts.stripe_sim.subscriptions import bill, change, follow, follow_intent, new_subscription

DECLINE = "generic_decline"


class Choice(msgspec.Struct, frozen=True):
    """A button of the pay page."""

    label: str
    now: str
    """What the attempt comes to."""
    later: str = SUCCEED
    """What becomes of a debit that is under way, or of later charges to a card."""


CHOICES: Mapping[str, Choice] = {
    "succeed": Choice("Card 4242: pays", SUCCEED),
    "decline": Choice("Card 0002: is declined", DECLINE, DECLINE),
    "insufficient_funds": Choice(
        "Card 9995: has insufficient funds", "insufficient_funds", "insufficient_funds"
    ),
    "authenticate": Choice("Card 3155: asks for authentication", AUTHENTICATE),
    "renewals_fail": Choice("Card 0341: pays now, later charges fail", SUCCEED, DECLINE),
    "async_succeed": Choice("Bank debit: pays after some days", PROCESSING),
    "async_fail": Choice("Bank debit: fails after some days", PROCESSING, DECLINE),
}


class Payer(msgspec.Struct, frozen=True):
    """What the person typed."""

    email: str | None = None
    name: str | None = None


def pay(account: Account, session: Document, choice: Choice, payer: Payer) -> Document:
    """Press the button; the session is complete afterwards, or open as it was."""
    _require_open(session)
    _identify(account, session, payer)
    method = _method(account, session, choice)
    if session["mode"] == "payment":
        _pay_once(account, session, method, choice.now)
    else:
        _subscribe(account, session, method, choice.now)
    return account.save(session)


def authenticate(account: Account, session: Document, *, proved: bool) -> Document:
    """The customer's bank asks the customer."""
    _require_open(session)
    notes = account.notes(session["id"])
    intent = account.find("payment_intent", notes.get("intent"))
    if not intent or intent["status"] != "requires_action":
        raise invalid("There is nothing to authenticate.")
    method = account.get("payment_method", intent["payment_method"])
    account.note(method["id"], outcome=SUCCEED)
    if proved:
        intents.attempt(account, intent, method, SUCCEED)
    else:
        intents.fail_authentication(account, intent)
    if subscription := account.find("subscription", notes.get("subscription")):
        invoice = account.get("invoice", subscription["latest_invoice"])
        invoices.after_attempt(account, invoice, intent)
        _after_first_invoice(account, session, subscription, invoice, method)
    else:
        _after_payment(account, session, intent)
    return account.save(session)


def settle(account: Account, intent: Document, outcome: str) -> Document:
    """A bank debit ends; its invoice, subscription and session follow."""
    intents.settle(account, intent, outcome)
    follow_intent(account, intent)
    session = account.find("checkout.session", account.notes(intent["id"]).get("session"))
    if session and session["status"] == "complete":
        paid = intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
        account.save(session)
        account.emit(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
    return intent


def problem_of(account: Account, session: Document) -> str | None:
    """What the last attempt came to, in words for the customer."""
    intent = account.find("payment_intent", account.notes(session["id"]).get("intent"))
    error = intent and intent["last_payment_error"]
    return str(error["message"]) if error else None


def wants_authentication(account: Account, session: Document) -> bool:
    intent = account.find("payment_intent", account.notes(session["id"]).get("intent"))
    return session["status"] == "open" and intent is not None and intent["status"] == "requires_action"


def _require_open(session: Document) -> None:
    if session["status"] != "open":
        raise invalid(f"This session is {session['status']}.")


def _identify(account: Account, session: Document, payer: Payer) -> None:
    details = session["customer_details"] or dict.fromkeys(
        ("address", "business_name", "email", "individual_name", "name", "phone", "tax_ids")
    )
    details = {"tax_exempt": "none"} | details
    email = session["customer_email"] or details["email"] or payer.email
    session["customer_details"] = details | {"email": email, "name": payer.name or details["name"]}
    creates = session["customer_creation"] == "always"
    if session["customer"] is None and creates:
        session["customer"] = new_customer(account, {"email": email, "name": payer.name})["id"]


def _method(account: Account, session: Document, choice: Choice) -> Document:
    details = session["customer_details"]
    kept = PROCESSING if choice.now == PROCESSING else choice.later
    method = new_method(account, kept, email=details["email"], name=details["name"])
    account.note(method["id"], outcome=choice.later)
    return method


def _pay_once(account: Account, session: Document, method: Document, outcome: str) -> None:
    if not session["amount_total"]:
        _complete(account, session, "no_payment_required")
        return
    intent = account.find("payment_intent", session["payment_intent"])
    if intent is None:
        data = account.notes(session["id"])["payment_intent_data"]
        described = data | {"customer": session["customer"], "metadata": merged({}, data.get("metadata"))}
        intent = intents.new_intent(account, session["amount_total"], session["currency"], described)
        account.note(intent["id"], session=session["id"])
        account.note(session["id"], intent=intent["id"])
        session["payment_intent"] = intent["id"]
    intents.attempt(account, intent, method, outcome)
    _after_payment(account, session, intent)


def _after_payment(account: Account, session: Document, intent: Document) -> None:
    if intent["status"] in {"succeeded", "requires_capture"}:
        _complete(account, session, "paid")
    elif intent["status"] == "processing":
        _complete(account, session, "unpaid")


def _subscribe(account: Account, session: Document, method: Document, outcome: str) -> None:
    """The first attempt makes the subscription, incomplete; later ones try to pay the same invoice."""
    notes = account.notes(session["id"])
    subscription = account.find("subscription", notes.get("subscription"))
    if subscription is None:
        data: dict[str, Any] = notes["subscription_data"]
        trial = trial_end(account, data)
        if trial and outcome not in {SUCCEED, PROCESSING, AUTHENTICATE}:
            raise invalid(decline_message(outcome), None, "card_declined")
        wanted = [
            {"price": item["price"], "quantity": item["quantity"]} for item in _recurring(account, session)
        ]
        options = data | {"trial_end": trial, "metadata": merged({}, data.get("metadata"))}
        if trial:
            options["default_payment_method"] = attach(account, method, session["customer"])["id"]
        subscription = new_subscription(account, session["customer"], wanted, options)
        account.note(session["id"], subscription=subscription["id"])
        bill(account, subscription, "subscription_create", free=bool(trial))
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    invoices.attempt(account, invoice, method, outcome)
    if intent := invoices.payment_of(account, invoice):
        account.note(intent["id"], session=session["id"])
        account.note(session["id"], intent=intent["id"])
    _after_first_invoice(account, session, subscription, invoice, method)


def _after_first_invoice(
    account: Account, session: Document, subscription: Document, invoice: Document, method: Document
) -> None:
    intent = invoices.payment_of(account, invoice)
    under_way = intent is not None and intent["status"] == "processing"
    if invoice["status"] != "paid" and not under_way:
        return
    if subscription["default_payment_method"] is None:
        attach(account, method, session["customer"])
        change(account, subscription, default_payment_method=method["id"])
    follow(account, subscription, invoice)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    status = "unpaid" if under_way else "paid"
    _complete(account, session, "no_payment_required" if subscription["trial_end"] else status)


def _recurring(account: Account, session: Document) -> list[Document]:
    return [item for item in lines_of(account, session) if item["price"]["recurring"]]


def _complete(account: Account, session: Document, payment_status: str) -> None:
    session |= {"status": "complete", "payment_status": payment_status, "url": None}
    account.unschedule("expire_session", session["id"])
    account.emit("checkout.session.completed", account.save(session))
