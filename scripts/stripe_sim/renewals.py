"""What the clock does to subscriptions: trials end, periods renew or end, failed payments are tried again."""

from __future__ import annotations

from scripts.stripe_sim import invoices
from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.clock import add_interval
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.subscriptions import (
    bill,
    change,
    collect,
    end_subscription,
    expire_incomplete,
    is_over,
    method_of,
    period_of,
)


def warn_of_trial_end(account: Account, id_: str) -> None:
    subscription = account.get("subscription", id_)
    if subscription["status"] == "trialing":
        account.emit("customer.subscription.trial_will_end", subscription)


def give_up(account: Account, id_: str) -> None:
    expire_incomplete(account, account.get("subscription", id_))


def cancel_at(account: Account, id_: str) -> None:
    subscription = account.get("subscription", id_)
    if not is_over(subscription):
        end_subscription(account, subscription, "cancellation_requested")


def unpause_collection(account: Account, id_: str) -> None:
    change(account, account.get("subscription", id_), pause_collection=None)


def renew(account: Account, id_: str) -> None:
    """The period is over."""
    subscription = account.get("subscription", id_)
    if is_over(subscription) or subscription["status"] in {"paused", "incomplete"}:
        return
    if subscription["cancel_at_period_end"]:
        end_subscription(account, subscription, "cancellation_requested")
        return
    if subscription["status"] == "trialing" and not method_of(account, subscription):
        behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        if behavior == "cancel":
            end_subscription(account, subscription, "payment_failed")
            return
        if behavior == "pause":
            pause(account, subscription, "system")
            return
    begin_period(account, subscription, period_of(subscription)[1])
    invoice = bill(account, subscription, "subscription_cycle")
    _collect_unless_paused(account, subscription, invoice)


def begin_period(account: Account, subscription: Document, start: int) -> None:
    """The next period; a trial is over with it."""
    before = copied(subscription)
    recurring = subscription["items"]["data"][0]["price"]["recurring"]
    anchor = subscription["billing_cycle_anchor"]
    end = add_interval(start, recurring["interval"], recurring["interval_count"], anchor)
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end}
    if subscription["status"] in {"trialing", "paused"}:
        subscription |= {"status": "active", "status_details": None}
    account.schedule("renew", subscription["id"], end)
    account.emit("customer.subscription.updated", account.save(subscription), before)


def pause(account: Account, subscription: Document, why: str) -> Document:
    """No service and no invoices until it is resumed."""
    details = {"subscription": {"type": why}, "transitioned_at": account.now, "type": "subscription"}
    account.unschedule("renew", subscription["id"])
    change(account, subscription, status="paused", status_details={"paused": details})
    account.emit("customer.subscription.paused", subscription)
    return subscription


def resume(account: Account, subscription: Document) -> Document:
    """A new period begins now, and is billed."""
    subscription["billing_cycle_anchor"] = account.now
    begin_period(account, subscription, account.now)
    account.emit("customer.subscription.resumed", subscription)
    collect(account, subscription, bill(account, subscription, "subscription_update"))
    return subscription


def retry(account: Account, invoice_id: str) -> None:
    """Dunning: another attempt."""
    invoice = account.get("invoice", invoice_id)
    subscription = account.get("subscription", invoices.subscription_of(invoice))
    if invoice["status"] == "open" and not is_over(subscription):
        collect(account, subscription, invoice)


def _collect_unless_paused(account: Account, subscription: Document, invoice: Document) -> None:
    paused = subscription["pause_collection"]
    if not paused:
        collect(account, subscription, invoice)
        return
    if paused["behavior"] == "keep_as_draft":
        return
    invoices.finalize(account, invoice)
    if paused["behavior"] == "void":
        invoices.void(account, invoice)
    else:
        invoices.write_off(account, invoice)
