"""The billing portal: where customers cancel, resume, and change their card."""

from __future__ import annotations

from collections.abc import Mapping

from stripe.params.billing_portal._session_create_params import SessionCreateParams

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.customers import live_customer
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.payment_methods import SUCCEED, attach, new_method
from scripts.stripe_sim.routes import Params, Route
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscription_api import cancel_later
from scripts.stripe_sim.subscriptions import change, end_subscription, is_over

ACTIONS: Mapping[str, str] = {
    "cancel": "Cancel at the end of the period",
    "resume": "Don't cancel",
    "cancel_now": "Cancel now",
    "good_card": "Pay with a card that works",
    "bad_card": "Pay with a card that fails",
}


def create(account: Account, params: Params) -> Document:
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = live_customer(account, params["customer"])
    id_ = account.new_id("bps")
    session: Document = {
        "id": id_,
        "object": "billing_portal.session",
        "configuration": params.get("configuration", "bpc_groundwork"),
        "created": account.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url"),
        "url": f"{account.notes('server').get('url', '')}/p/session/{id_}",
    }
    return account.save(session)


def subscriptions_of(account: Account, session: Document) -> list[Document]:
    return [each for each in account.all("subscription", customer=session["customer"]) if not is_over(each)]


def act(account: Account, session: Document, subscription_id: str, action: str) -> Document:
    """Press a button; only the customer's own subscriptions can be named."""
    subscription = account.get("subscription", subscription_id)
    if subscription["customer"] != session["customer"] or is_over(subscription) or action not in ACTIONS:
        raise invalid("There is no such subscription or action.")
    if action == "cancel_now":
        return end_subscription(account, subscription, "cancellation_requested")
    if action in {"cancel", "resume"}:
        before = copied(subscription)
        cancel_later(account, subscription, later=action == "cancel")
        if account.save(subscription) != before:
            account.emit("customer.subscription.updated", subscription, before)
        return subscription
    method = new_method(account, SUCCEED if action == "good_card" else "generic_decline")
    attach(account, method, session["customer"])
    change(account, subscription, default_payment_method=method["id"])
    return subscription


ROUTES = (Route("POST", "/v1/billing_portal/sessions", create, SessionCreateParams),)
