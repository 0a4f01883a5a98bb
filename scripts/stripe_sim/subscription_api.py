"""Subscriptions over the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stripe.params._subscription_cancel_params import SubscriptionCancelParams
from stripe.params._subscription_create_params import SubscriptionCreateParams
from stripe.params._subscription_list_params import SubscriptionListParams
from stripe.params._subscription_pause_params import SubscriptionPauseParams
from stripe.params._subscription_resume_params import SubscriptionResumeParams
from stripe.params._subscription_retrieve_params import SubscriptionRetrieveParams
from stripe.params._subscription_update_params import SubscriptionUpdateParams

from scripts.stripe_sim import invoices, renewals
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.catalogue import new_price
from scripts.stripe_sim.clock import DAY, add_interval
from scripts.stripe_sim.customers import live_customer
from scripts.stripe_sim.errors import card_declined, invalid, missing
from scripts.stripe_sim.lists import page_of
from scripts.stripe_sim.metadata import merged
from scripts.stripe_sim.payment_methods import attach, resolve
from scripts.stripe_sim.routes import Params, Route, retrieving
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscriptions import (
    bill,
    change,
    collect,
    end_subscription,
    is_over,
    method_of,
    new_item,
    new_subscription,
    period_of,
    plan_of,
)


def create(account: Account, params: Params) -> Document:
    customer = live_customer(account, params["customer"])
    wanted = wanted_items(account, params.get("items") or [])
    options = params | {
        "metadata": merged({}, params.get("metadata")),
        "trial_end": trial_end(account, params),
    }
    if token := params.get("default_payment_method"):
        method = attach(account, resolve(account, token, "default_payment_method"), customer["id"])
        options["default_payment_method"] = method["id"]
    subscription = new_subscription(account, customer["id"], wanted, options)
    free = bool(options["trial_end"])
    invoice = bill(account, subscription, "subscription_create", free=free)
    invoices.finalize(account, invoice)
    behavior = params.get("payment_behavior", "allow_incomplete")
    if free or behavior != "default_incomplete":
        if not free and not method_of(account, subscription):
            raise invalid(
                "This customer has no attached payment source or default payment method.", "customer"
            )
        collect(account, subscription, invoice)
    if behavior == "error_if_incomplete" and subscription["status"] == "incomplete":
        raise card_declined("generic_decline", None, None)
    return subscription


def wanted_items(
    account: Account, items: Sequence[Mapping[str, Any]], where: str = "items"
) -> list[Document]:
    """Price and quantity of each item; they must fit together."""
    if not items:
        raise invalid(f"Missing required param: {where}.", where, "parameter_missing")
    wanted = []
    for index, item in enumerate(items):
        path = f"{where}[{index}]"
        price = price_of(account, item, path)
        quantity = item.get("quantity", 1)
        if quantity < 1:
            raise invalid("Quantity must be at least 1.", f"{path}[quantity]")
        wanted.append({"price": price, "quantity": quantity})
    rhythms = {str(each["price"]["recurring"]) for each in wanted if each["price"]["recurring"]}
    if len(rhythms) > 1 or len({each["price"]["currency"] for each in wanted}) > 1:
        raise invalid("All prices on a subscription must have the same interval and currency.", where)
    return wanted


def price_of(account: Account, item: Mapping[str, Any], path: str) -> Document:
    """The active price that an item names or describes."""
    if data := item.get("price_data"):
        return new_price(account, {**data})
    if not item.get("price"):
        raise invalid(f"Missing required param: {path}[price].", f"{path}[price]", "parameter_missing")
    price = account.get("price", item["price"], f"{path}[price]")
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise invalid(message, f"{path}[price]")
    return price


def trial_end(account: Account, params: Mapping[str, Any]) -> int | None:
    """When the trial ends that was asked for."""
    if days := params.get("trial_period_days"):
        return account.now + int(days) * DAY
    moment = params.get("trial_end")
    if moment is None or moment == "now":
        return None
    if moment <= account.now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    return int(moment)


def update(account: Account, params: Params, id_: str) -> Document:
    subscription = account.get("subscription", id_)
    if is_over(subscription):
        if params.keys() - {"metadata", "cancellation_details", "expand"}:
            message = "A canceled subscription can only update its cancellation_details and metadata."
            raise invalid(message)
        change(account, subscription, metadata=merged(subscription["metadata"], params.get("metadata")))
        return subscription
    before = copied(subscription)
    _apply(account, subscription, params)
    billed = _apply_items(account, subscription, params)
    account.save(subscription)
    if subscription != before:
        account.emit("customer.subscription.updated", subscription, before)
    if billed:
        collect(account, subscription, billed)
    return subscription


def _apply(account: Account, subscription: Document, params: Params) -> None:
    subscription["metadata"] = merged(subscription["metadata"], params.get("metadata"))
    if "description" in params:
        subscription["description"] = params["description"] or None
    if token := params.get("default_payment_method"):
        method = attach(account, resolve(account, token, "default_payment_method"), subscription["customer"])
        subscription["default_payment_method"] = method["id"]
    if "cancel_at_period_end" in params:
        cancel_later(account, subscription, later=params["cancel_at_period_end"])
    if "cancel_at" in params:
        _cancel_at(account, subscription, params["cancel_at"])
    if "pause_collection" in params:
        _pause_collection(account, subscription, params["pause_collection"])
    if "trial_end" in params:
        _move_trial(account, subscription, params)
    if details := params.get("cancellation_details"):
        subscription["cancellation_details"] |= {k: v or None for k, v in details.items()}


def cancel_later(account: Account, subscription: Document, *, later: bool) -> None:
    """End it with the period that is paid, or not after all; the caller saves and tells."""
    if later == subscription["cancel_at_period_end"]:
        return
    end = period_of(subscription)[1]
    reason = "cancellation_requested" if later else None
    subscription |= {"cancel_at_period_end": later, "cancel_at": end if later else None}
    subscription["canceled_at"] = account.now if later else None
    subscription["cancellation_details"] |= {"reason": reason}


def _cancel_at(account: Account, subscription: Document, moment: Any) -> None:
    account.unschedule("cancel_at", subscription["id"])
    if moment in ("", None):
        subscription |= {"cancel_at": None, "canceled_at": None, "cancel_at_period_end": False}
        return
    end = period_of(subscription)[1]
    due = end if isinstance(moment, str) else int(moment)
    if due <= account.now:
        raise invalid("`cancel_at` must be in the future.", "cancel_at")
    account.schedule("cancel_at", subscription["id"], due)
    subscription |= {"cancel_at": due, "canceled_at": account.now}


def _pause_collection(account: Account, subscription: Document, wanted: Any) -> None:
    account.unschedule("unpause", subscription["id"])
    if not wanted:
        subscription["pause_collection"] = None
        return
    resumes_at = wanted.get("resumes_at")
    subscription["pause_collection"] = {"behavior": wanted["behavior"], "resumes_at": resumes_at}
    if resumes_at:
        account.schedule("unpause", subscription["id"], resumes_at)


def _move_trial(account: Account, subscription: Document, params: Params) -> None:
    if params["trial_end"] == "now":
        if subscription["status"] == "trialing":
            subscription["trial_end"] = account.now
            account.schedule("renew", subscription["id"], account.now)
        return
    end = trial_end(account, params)
    subscription |= {"status": "trialing", "trial_end": end, "trial_start": account.now}
    subscription["billing_cycle_anchor"] = end
    for item in subscription["items"]["data"]:
        item["current_period_end"] = end
    account.schedule("renew", subscription["id"], end or account.now)


def _apply_items(account: Account, subscription: Document, params: Params) -> Document | None:
    """Change prices and quantities; an invoice, if the change has to be paid at once."""
    changes = params.get("items")
    if not changes:
        return None
    old = {item["id"]: copied(item) for item in subscription["items"]["data"]}
    start, end = period_of(subscription)
    for index, wanted in enumerate(changes):
        _apply_item(account, subscription, wanted, f"items[{index}]")
    data = subscription["items"]["data"]
    if not data:
        raise invalid("A subscription must have at least one active item.", "items")
    if subscription["status"] != "active":
        return None
    if _rhythm(data[0]) != _rhythm(next(iter(old.values()))):
        recurring = data[0]["price"]["recurring"]
        now = account.now
        subscription["billing_cycle_anchor"] = now
        until = add_interval(now, recurring["interval"], recurring["interval_count"], now)
        for item in data:
            item |= {"current_period_start": now, "current_period_end": until}
        account.schedule("renew", subscription["id"], until)
        return bill(account, subscription, "subscription_update")
    if params.get("proration_behavior") != "always_invoice":
        return None
    left = (end - account.now) / (end - start)
    owed = round((_total(data) - _total([*old.values()])) * left)
    if owed <= 0:
        return None
    line = invoices.Line(owed, "Remaining time", account.now, end, data[0], proration=True)
    invoice = invoices.new_invoice(account, subscription, "subscription_update", [line])
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _apply_item(account: Account, subscription: Document, wanted: Mapping[str, Any], path: str) -> None:
    data = subscription["items"]["data"]
    if "id" not in wanted:
        (fresh,) = wanted_items(account, [wanted])
        period = period_of(subscription)
        data.append(new_item(account, subscription["id"], fresh["price"], fresh["quantity"], period))
        return
    item = next((item for item in data if item["id"] == wanted["id"]), None)
    if item is None:
        raise missing("subscription item", wanted["id"], f"{path}[id]")
    if wanted.get("deleted"):
        data.remove(item)
        return
    if wanted.get("price") or wanted.get("price_data"):
        price = price_of(account, wanted, path)
        item |= {"price": price, "plan": plan_of(price)}
    item["quantity"] = wanted.get("quantity", item["quantity"])


def _rhythm(item: Document) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def _total(items: Sequence[Document]) -> int:
    return sum((item["price"]["unit_amount"] or 0) * item["quantity"] for item in items)


def cancel(account: Account, params: Params, id_: str) -> Document:
    """At once. A subscription that is over is not found any more."""
    subscription = account.get("subscription", id_)
    if is_over(subscription):
        raise missing("subscription", id_)
    if details := params.get("cancellation_details"):
        subscription["cancellation_details"] |= details
    return end_subscription(account, subscription, "cancellation_requested")


def pause(account: Account, _: Params, id_: str) -> Document:
    subscription = account.get("subscription", id_)
    if subscription["status"] not in {"active", "trialing"}:
        raise invalid(f"You cannot pause a subscription that is {subscription['status']}.")
    return renewals.pause(account, subscription, "pause_requested")


def resume(account: Account, _: Params, id_: str) -> Document:
    subscription = account.get("subscription", id_)
    if subscription["status"] != "paused":
        raise invalid("You can only resume subscriptions that are paused.")
    return renewals.resume(account, subscription)


def list_(account: Account, params: Params) -> Document:
    """Without a status: all that are not canceled."""
    references = {"customer": params["customer"]} if "customer" in params else {}
    status = params.get("status")

    def fits(subscription: Document) -> bool:
        over = subscription["status"] == "canceled"
        known = {None: not over, "all": True, "ended": is_over(subscription)}.get(
            status, subscription["status"] == status
        )
        prices = {item["price"]["id"] for item in subscription["items"]["data"]}
        return bool(known) and params.get("price") in (None, *prices)

    return page_of(account, "subscription", params, "/v1/subscriptions", fits, **references)


_ONE = "/v1/subscriptions/{}"
ROUTES = (
    Route("POST", "/v1/subscriptions", create, SubscriptionCreateParams),
    Route("GET", "/v1/subscriptions", list_, SubscriptionListParams),
    Route("GET", _ONE, retrieving("subscription"), SubscriptionRetrieveParams),
    Route("POST", _ONE, update, SubscriptionUpdateParams),
    Route("DELETE", _ONE, cancel, SubscriptionCancelParams),
    Route("POST", f"{_ONE}/pause", pause, SubscriptionPauseParams),
    Route("POST", f"{_ONE}/resume", resume, SubscriptionResumeParams),
)
