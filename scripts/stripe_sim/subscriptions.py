"""The life of a subscription.

    incomplete → active ⇄ past_due → canceled      trialing → active, paused or canceled
    incomplete → incomplete_expired                active ⇄ paused

`canceled` and `incomplete_expired` are for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.stripe_sim import invoices
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.clock import DAY, HOUR, add_interval
from scripts.stripe_sim.invoices import Line
from scripts.stripe_sim.lists import listed
from scripts.stripe_sim.payment_methods import SUCCEED, outcome_of
from scripts.stripe_sim.store import Document

OVER = frozenset({"canceled", "incomplete_expired"})
DUNNING = (3 * DAY, 5 * DAY, 7 * DAY)
"""Before each repetition of a failed renewal; when the last fails, the subscription is canceled."""
INCOMPLETE_FOR = 23 * HOUR
TRIAL_WARNING = 3 * DAY


def is_over(subscription: Document) -> bool:
    return subscription["status"] in OVER


def new_subscription(
    account: Account, customer: str, wanted: Sequence[Document], options: dict[str, Any]
) -> Document:
    """Make it, incomplete or trialing; `wanted` holds price and quantity of each item."""
    id_ = account.new_id("sub")
    now, trial_end = account.now, options.get("trial_end")
    recurring = wanted[0]["price"]["recurring"]
    end = trial_end or add_interval(now, recurring["interval"], recurring["interval_count"], now)
    items = [new_item(account, id_, each["price"], each["quantity"], (now, end)) for each in wanted]
    subscription: Document = {
        "id": id_,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": end if trial_end else now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "type": "flexible",
            "flexible": {"proration_discounts": "included"},
            "updated_at": None,
        },
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": wanted[0]["price"]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": options.get("default_payment_method"),
        "default_source": None,
        "default_tax_rates": [],
        "description": options.get("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": listed(items, f"/v1/subscription_items?subscription={id_}"),
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": options.get("metadata") or {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "incomplete",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": options.get("trial_settings")
        or {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    }
    account.emit("customer.subscription.created", account.save(subscription))
    account.schedule("renew", id_, end)
    if trial_end:
        account.schedule("trial_will_end", id_, max(now, trial_end - TRIAL_WARNING))
    else:
        account.schedule("give_up", id_, now + INCOMPLETE_FOR)
    return subscription


def new_item(
    account: Account, subscription: str, price: Document, quantity: int, period: tuple[int, int]
) -> Document:
    return {
        "id": account.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }


def plan_of(price: Document) -> Document:
    """The price as the older API showed it; items still carry it."""
    recurring = price["recurring"]
    same = (
        "active",
        "billing_scheme",
        "created",
        "currency",
        "id",
        "livemode",
        "metadata",
        "nickname",
        "product",
    )
    return {
        **{name: price[name] for name in same},
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": None,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def period_of(subscription: Document) -> tuple[int, int]:
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def method_of(account: Account, subscription: Document) -> Document | None:
    """What it is charged to: its own method or the customer's."""
    customer = account.find("customer", subscription["customer"]) or {}
    default = (customer.get("invoice_settings") or {}).get("default_payment_method")
    return account.find("payment_method", subscription["default_payment_method"] or default)


def bill(account: Account, subscription: Document, reason: str, *, free: bool = False) -> Document:
    """An open invoice over the current period; a trial's costs nothing."""
    start, end = period_of(subscription)
    lines = [
        Line(
            0 if free else (item["price"]["unit_amount"] or 0) * item["quantity"],
            _text(item, free),
            start,
            end,
            item,
        )
        for item in subscription["items"]["data"]
    ]
    invoice = invoices.new_invoice(account, subscription, reason, lines)
    subscription["latest_invoice"] = invoice["id"]
    account.save(subscription)
    return invoice


def collect(
    account: Account, subscription: Document, invoice: Document, outcome: str | None = None
) -> Document:
    """Finalize the invoice if needed, try to collect it, and let the subscription follow."""
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    method = method_of(account, subscription)
    chosen = outcome or (outcome_of(account, method) if method else SUCCEED)
    invoices.attempt(account, invoice, method, chosen)
    follow(account, subscription, invoice)
    return invoice


def follow(account: Account, subscription: Document, invoice: Document) -> None:
    """What the state of its invoice makes of the subscription."""
    if is_over(subscription):
        return
    intent = invoices.payment_of(account, invoice)
    if invoice["status"] == "paid" or (intent and intent["status"] == "processing"):
        _after_payment(account, subscription, invoice)
    elif invoice["status"] == "open":
        _after_failure(account, subscription, invoice)


def follow_intent(account: Account, intent: Document) -> None:
    """What a payment intent came to, for the invoice that it collects and the subscription behind that."""
    invoice = account.find("invoice", account.notes(intent["id"]).get("invoice"))
    if invoice and invoice["status"] == "open":
        invoices.after_attempt(account, invoice, intent)
        follow(account, account.get("subscription", invoices.subscription_of(invoice)), invoice)


def _after_payment(account: Account, subscription: Document, paid: Document) -> None:
    owed = [
        other
        for other in account.all("invoice", customer=subscription["customer"])
        if invoices.subscription_of(other) == subscription["id"]
        and other["id"] != paid["id"]
        and other["status"] == "open"
        and other["attempt_count"] > 0
    ]
    if subscription["status"] == "incomplete" or (subscription["status"] == "past_due" and not owed):
        account.unschedule("give_up", subscription["id"])
        change(account, subscription, status="active")


def _after_failure(account: Account, subscription: Document, invoice: Document) -> None:
    if subscription["status"] == "incomplete":
        return  # the first payment may be tried again until the subscription expires
    attempts = invoice["attempt_count"]
    if attempts <= len(DUNNING):
        invoices.retry_at(account, invoice, account.now + DUNNING[max(0, attempts - 1)])
        if subscription["status"] in {"active", "trialing"}:
            change(account, subscription, status="past_due")
        return
    invoices.retry_at(account, invoice, None)
    end_subscription(account, subscription, "payment_failed")


def change(account: Account, subscription: Document, **values: Any) -> None:
    """Set these fields, with the event that says so."""
    before = copied(subscription)
    subscription |= values
    account.save(subscription)
    if subscription != before:
        account.emit("customer.subscription.updated", subscription, before)


def end_subscription(account: Account, subscription: Document, reason: str) -> Document:
    """Over, for ever; what is unpaid stays unpaid but is not collected any more."""
    details = subscription["cancellation_details"] | {"reason": reason}
    now = account.now
    subscription |= {"status": "canceled", "ended_at": now, "cancellation_details": details}
    subscription["canceled_at"] = subscription["canceled_at"] or now
    _stop(account, subscription)
    account.emit("customer.subscription.deleted", account.save(subscription))
    return subscription


def expire_incomplete(account: Account, subscription: Document) -> None:
    """The first payment never came."""
    if subscription["status"] != "incomplete":
        return
    _stop(account, subscription)
    invoice = account.find("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] == "open":
        invoices.void(account, invoice)
    change(account, subscription, status="incomplete_expired", ended_at=account.now)


def _stop(account: Account, subscription: Document) -> None:
    for action in ("renew", "give_up", "trial_will_end", "cancel_at", "unpause"):
        account.unschedule(action, subscription["id"])
    for invoice in account.all("invoice", customer=subscription["customer"]):
        if invoices.subscription_of(invoice) == subscription["id"] and invoice["status"] in {"draft", "open"}:
            account.unschedule("retry", invoice["id"])
            account.save(invoice | {"auto_advance": False, "next_payment_attempt": None})


def _text(item: Document, free: bool) -> str:
    return (
        "Trial period"
        if free
        else f"{item['quantity']} x {item['price']['nickname'] or item['price']['product']}"
    )
