"""Checkout sessions: open → complete or expired, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stripe.params.checkout._session_create_params import SessionCreateParams
from stripe.params.checkout._session_expire_params import SessionExpireParams
from stripe.params.checkout._session_line_item_list_params import SessionLineItemListParams
from stripe.params.checkout._session_list_params import SessionListParams
from stripe.params.checkout._session_retrieve_params import SessionRetrieveParams
from stripe.params.checkout._session_update_params import SessionUpdateParams

from scripts.stripe_sim import intents
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.clock import DAY, HOUR
from scripts.stripe_sim.customers import live_customer
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.lists import PAGING, page_among, page_of
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.routes import Params, Route, retrieving
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscription_api import trial_end, wanted_items
from scripts.stripe_sim.subscriptions import expire_incomplete

EXPIRES_AFTER = DAY
EARLIEST, LATEST = HOUR // 2, DAY
MAX_LINES = 100


def create(account: Account, params: Params) -> Document:
    mode = params.get("mode")
    if mode not in {"payment", "subscription"}:
        raise invalid("The simulator knows the modes payment and subscription.", "mode")
    customer = _customer(account, params)
    wanted = _wanted(account, params, mode)
    session = _session(account, params, mode, customer, wanted)
    for each in wanted:
        _line(account, session, each)
    subscription_data = params.get("subscription_data") or {}
    trial = trial_end(account, subscription_data)
    if trial:
        session |= {"amount_total": 0, "amount_subtotal": 0}
    elif session["amount_total"]:
        _require_payable(session)
    account.note(
        session["id"],
        payment_intent_data=params.get("payment_intent_data") or {},
        subscription_data=subscription_data,
        base_url=account.notes("server").get("url", ""),
    )
    account.schedule("expire_session", session["id"], session["expires_at"])
    return account.save(session)


def _customer(account: Account, params: Params) -> Document | None:
    if "customer" not in params:
        return None
    if "customer_email" in params:
        raise invalid("You may only specify one of these parameters: customer, customer_email.", "customer")
    return live_customer(account, params["customer"])


def _wanted(account: Account, params: Params, mode: str) -> list[Document]:
    if "success_url" not in params and params.get("ui_mode", "hosted_page") == "hosted_page":
        raise invalid("Missing required param: success_url.", "success_url", "parameter_missing")
    wanted = wanted_items(account, params.get("line_items") or [], "line_items")
    if len(wanted) > MAX_LINES:
        raise invalid(f"A session has at most {MAX_LINES} line items.", "line_items")
    recurring = [each for each in wanted if each["price"]["type"] == "recurring"]
    if mode == "payment" and recurring:
        message = (
            "You specified `payment` mode but passed a recurring price. "
            "Either switch to `subscription` mode or use only one-time prices."
        )
        raise invalid(message, "line_items")
    if mode == "subscription" and not recurring:
        message = "You must provide at least one recurring price in `subscription` mode when using prices."
        raise invalid(message, "line_items")
    if mode == "subscription" and "payment_intent_data" in params:
        raise invalid("You can not pass `payment_intent_data` in `subscription` mode.", "payment_intent_data")
    if mode == "payment" and "subscription_data" in params:
        raise invalid("You can not pass `subscription_data` in `payment` mode.", "subscription_data")
    return wanted


def _require_payable(session: Document) -> None:
    least = intents.MINIMUM.get(session["currency"], 1)
    if session["amount_total"] < least:
        message = (
            f"The Checkout Session's total amount due must add up to at least {least} {session['currency']}."
        )
        raise invalid(message, None, "amount_too_small")


def _expires_at(account: Account, params: Params) -> int:
    moment = int(params.get("expires_at", account.now + EXPIRES_AFTER))
    if not EARLIEST <= moment - account.now <= LATEST:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise invalid(message, "expires_at")
    return moment


def _session(
    account: Account, params: Params, mode: str, customer: Document | None, wanted: Sequence[Document]
) -> Document:
    id_ = account.new_id("cs_test")
    total = sum((each["price"]["unit_amount"] or 0) * each["quantity"] for each in wanted)
    email = params.get("customer_email")
    known = customer["email"] if customer else email
    url = account.notes("server").get("url", "")
    shown = {
        "address": None,
        "business_name": None,
        "email": known,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": None,
    }
    return {
        "id": id_,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": account.now,
        "currency": wanted[0]["price"]["currency"],
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": customer["id"] if customer else None,
        "customer_account": None,
        "customer_creation": _customer_creation(params, mode, customer),
        "customer_details": shown if known else None,
        "customer_email": email,
        "discounts": [],
        "expires_at": _expires_at(account, params),
        "integration_identifier": params.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "locale": params.get("locale"),
        "metadata": merged({}, params.get("metadata")),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.get("ui_mode", "hosted_page"),
        "url": f"{url}/c/pay/{id_}",
        "wallet_options": None,
    }


def _customer_creation(params: Params, mode: str, customer: Document | None) -> str | None:
    if mode == "subscription":
        return None if customer else "always"
    return str(params.get("customer_creation", "if_required"))


def _line(account: Account, session: Document, wanted: Mapping[str, Any]) -> None:
    price, quantity = wanted["price"], wanted["quantity"]
    product = account.get("product", price["product"])
    amount = (price["unit_amount"] or 0) * quantity
    id_ = account.new_id("li")
    item = {
        "id": id_,
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }
    account.save(item)
    account.note(session["id"], lines=[*account.notes(session["id"]).get("lines", []), id_])


def lines_of(account: Account, session: Document) -> list[Document]:
    return [account.get("item", id_) for id_ in account.notes(session["id"]).get("lines", [])]


def list_lines(account: Account, params: Params, id_: str) -> Document:
    session = account.get("checkout.session", id_)
    return page_among(lines_of(account, session), params, f"/v1/checkout/sessions/{id_}/line_items")


def list_(account: Account, params: Params) -> Document:
    wanted = {name: value for name, value in params.items() if name not in PAGING}
    email = (wanted.pop("customer_details", None) or {}).get("email")

    def fits(session: Document) -> bool:
        same = all(session.get(name) == value for name, value in wanted.items())
        return same and email in (None, (session["customer_details"] or {}).get("email"))

    return page_of(account, "checkout.session", params, "/v1/checkout/sessions", fits)


def update(account: Account, params: Params, id_: str) -> Document:
    session = account.get("checkout.session", id_)
    session["metadata"] = merged(session["metadata"], params.get("metadata"))
    return account.save(session)


def expire(account: Account, _: Params, id_: str) -> Document:
    session = account.get("checkout.session", id_)
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
        raise invalid(message)
    return end_session(account, session)


def end_session(account: Account, session: Document) -> Document:
    """Nobody can pay it any more; what an attempt left behind ends with it."""
    before = copied(session)
    notes = account.notes(session["id"])
    account.unschedule("expire_session", session["id"])
    session |= {"status": "expired", "url": None}
    account.save(session)
    intent = account.find("payment_intent", session["payment_intent"])
    if intent and intent["status"] in intents.CANCELABLE:
        intents.cancel(account, intent, "expired")
    if subscription := account.find("subscription", notes.get("subscription")):
        expire_incomplete(account, subscription)
    if session != before:
        account.emit("checkout.session.expired", session)
    return session


_URL = "/v1/checkout/sessions"
ROUTES = (
    Route("POST", _URL, create, SessionCreateParams),
    Route("GET", _URL, list_, SessionListParams),
    Route("GET", f"{_URL}/{{}}", retrieving("checkout.session"), SessionRetrieveParams),
    Route("POST", f"{_URL}/{{}}", update, SessionUpdateParams),
    Route("GET", f"{_URL}/{{}}/line_items", list_lines, SessionLineItemListParams),
    Route("POST", f"{_URL}/{{}}/expire", expire, SessionExpireParams),
)
