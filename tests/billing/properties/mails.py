"""One mail for each cause, whatever was repeated, and none for what did not happen."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator

from tests.billing.properties.oracle import Truth
from tests.billing.properties.play import Play

LIVE = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})


def wrong_mails(play: Play, truth: Truth, ids: list[uuid.UUID]) -> Iterator[str]:
    rows = play.database.rows(
        "select template, dedupe_key, params from jobs.emails where created_at >= "
        "(select min(created_at) from billing.customers where id = any (%s))", ids,
    )  # fmt: skip
    causes = Counter(row["dedupe_key"] for row in rows)

    def about(template: str, subject: object) -> int:
        return sum(row["template"] == template and f":{subject}" in row["dedupe_key"] for row in rows)

    yield from (f"mail {cause} was staged {count} times" for cause, count in causes.items() if count > 1)
    for order in play.database.rows(
        "select id, status, paid_at, (select count(*) from billing.checkouts as c where c.order_id = o.id) as attempts"
        " from public.orders as o where customer_id = any (%s)", ids,
    ):  # fmt: skip
        paid, failed = order["paid_at"] is not None, about("order_payment_failed", order["id"])
        for template in ("order_confirmation", "order_notice"):
            if about(template, order["id"]) != paid:
                yield f"{about(template, order['id'])} {template} of order {order['id']} ({order['status']})"
        if failed > order["attempts"] or (order["status"] == "failed" and not failed):
            yield f"{failed} mails that order {order['id']} failed in {order['attempts']} attempts"
    for payment in play.database.rows(
        "select p.id, p.amount_refunded, (select count(*) from ledger.transfers as t"
        "  inner join ledger.entries as e on t.id = e.transfer_id inner join ledger.accounts as a on e.account_id = a.id"
        "  where starts_with(t.reference, 'payment:' || p.id || ':refund:') and a.name = 'revenue' and e.amount < 0"
        " ) as refunds from public.payments as p where p.customer_id = any (%s)", ids,
    ):  # fmt: skip
        if about("refund_issued", payment["id"]) != payment["refunds"]:
            yield f"{about('refund_issued', payment['id'])} mails about {payment['refunds']} refunds of {payment['id']}"
    for subscription in play.database.rows(
        "select id, status, current_period_end from public.subscriptions where customer_id = any (%s)", ids
    ):
        started = about("subscription_started", subscription["id"])
        ended = about("subscription_canceled", subscription["id"])
        live = subscription["status"] in LIVE
        if started > 1 or ended > started or (live and (started, ended) != (1, 0)):
            yield f"{started} mails that {subscription} began, {ended} that it ended"
        if started and not ended and subscription["status"] == "canceled":
            yield f"no mail that {subscription} ended"
    yield from (
        f"the mail {row['dedupe_key']} does not know when it renews"
        for row in rows if row["template"] == "subscription_started" and not row["params"]["renews_at"]
    )  # fmt: skip
    for dispute in play.database.rows(
        "select d.id from public.disputes as d inner join public.payments as p on d.payment_id = p.id"
        " where p.customer_id = any (%s)", ids,
    ):  # fmt: skip
        if about("dispute_notice", dispute["id"]) != 1:
            yield f"{about('dispute_notice', dispute['id'])} notices of dispute {dispute['id']}"
    attempts = {invoice["id"]: invoice["attempt_count"] for invoice in truth.objects["invoice"]}
    for invoice, count in attempts.items():
        if about("subscription_payment_failed", "") and about("subscription_payment_failed", invoice) > count:
            yield f"too many mails about invoice {invoice}"
