"""What is delivered in every order: each scene is a short business, told once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.stripe_sim.payment_methods import SUCCEED
from tests.billing.properties.play import Step

MONTH = 24 * 32
PAID = Step("buy", SUCCEED)
SUBSCRIBED = Step("subscribe", SUCCEED)

ORDERS: dict[str, Sequence[Step]] = {
    "paid": [PAID],
    "declined, then paid": [Step("buy", "decline"), Step("pay", SUCCEED)],
    "declined, then a debit under way": [Step("buy", "decline"), Step("pay", "async_succeed")],
    "declined, then expired": [Step("buy", "decline"), Step("expire")],
    "debited": [Step("buy", "async_succeed"), Step("settle_debit", SUCCEED)],
    "debit failed": [Step("buy", "async_fail"), Step("settle_debit", "generic_decline")],
    "refunded in part": [PAID, Step("refund_at_stripe", 30), Step("refund_at_stripe", 30)],
    "refunded": [PAID, Step("refund_at_stripe", 30), Step("refund_at_stripe", 100)],
    "refund failed": [PAID, Step("refund_at_stripe", 30), Step("report_refund", "failed")],
    "dispute open": [PAID, Step("dispute")],
    "dispute won": [PAID, Step("dispute"), Step("decide", "won")],
    "dispute lost": [PAID, Step("refund_at_stripe", 30), Step("dispute"), Step("decide", "lost")],
}
"""Each event tells enough; nobody has to ask."""

SUBSCRIPTIONS: dict[str, Sequence[Step]] = {
    "begun": [SUBSCRIBED],
    "declined first": [Step("subscribe", "decline"), Step("pay", SUCCEED)],
    "never paid": [Step("subscribe", "decline"), Step("expire")],
    "to end": [SUBSCRIBED, Step("portal", "cancel")],
    "to end, and not after all": [SUBSCRIBED, Step("portal", "cancel"), Step("portal", "resume")],
    "to end, then ended": [SUBSCRIBED, Step("portal", "cancel"), Step("pass_hours", MONTH)],
    "renewed, refunded": [SUBSCRIBED, Step("pass_hours", MONTH), Step("refund_at_stripe", 50, 1)],
    "renewal fails": [Step("subscribe", "renewals_fail"), Step("pass_hours", MONTH)],
    "renewal fails for good": [Step("subscribe", "renewals_fail"), Step("pass_hours", 2 * MONTH)],
    "trial": [Step("subscribe", SUCCEED, 7), Step("pass_hours", 24 * 8)],
    "canceled at once": [SUBSCRIBED, Step("portal", "cancel"), Step("portal", "cancel_now")],
}
"""Updates of one second cannot be told apart: whoever hears of them asks."""

ONLY: Mapping[str, frozenset[str]] = {
    "by the charge": frozenset({"charge.refunded"}),
    "by the refund": frozenset({"refund.created", "refund.updated", "refund.failed"}),
}
"""Refunds are told twice. Endpoints may have subscribed to one of the two."""
