"""One mail for each cause, whatever was repeated, and none for what did not happen."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.acting import Row
from tests.billing.properties.database import Database
from tests.billing.properties.oracle import Truth

LIVE = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})


@dataclass
class Outbox:
    """What was staged for some customers since they are known."""

    database: Database
    customers: list[uuid.UUID]

    def __post_init__(self) -> None:
        self.mails = self.database.rows(
            "select template, dedupe_key, params from jobs.emails where created_at >= "
            "(select min(created_at) from billing.customers where id = any (%s))", self.customers,
        )  # fmt: skip

    def count(self, template: str, subject: object) -> int:
        return sum(self.about(mail, template, subject) for mail in self.mails)

    def about(self, mail: Row, template: str, subject: object) -> bool:
        return bool(mail["template"] == template and f":{subject}" in mail["dedupe_key"])

    def wrong(self, truth: Truth) -> Iterator[str]:
        causes = Counter(mail["dedupe_key"] for mail in self.mails)
        yield from (f"mail {cause} was staged {count} times" for cause, count in causes.items() if count > 1)
        yield from self._orders()
        yield from self._refunds()
        yield from self._subscriptions()
        for dispute in self.database.rows(
            "select d.id from public.disputes as d inner join public.payments as p on d.payment_id = p.id"
            " where p.customer_id = any (%s)", self.customers,
        ):  # fmt: skip
            if (count := self.count("dispute_notice", dispute["id"])) != 1:
                yield f"{count} mails: notices of dispute {dispute['id']}"
        for invoice in truth.objects["invoice"]:
            if self.count("subscription_payment_failed", invoice["id"]) > invoice["attempt_count"]:
                yield f"mails: too many about invoice {invoice['id']}"

    def _orders(self) -> Iterator[str]:
        for order in self.database.rows(
            "select id, status, paid_at is not null as paid,"
            " (select count(*) from billing.checkouts as c where c.order_id = o.id) as attempts"
            " from public.orders as o where customer_id = any (%s)", self.customers,
        ):  # fmt: skip
            for template in ("order_confirmation", "order_notice"):
                if self.count(template, order["id"]) != order["paid"]:
                    yield f"mails: {self.count(template, order['id'])} {template} of {order}"
            failed = self.count("order_payment_failed", order["id"])
            if failed > order["attempts"] or (order["status"] == "failed" and not failed):
                yield f"mails: {failed} about the failure of {order}"

    def _refunds(self) -> Iterator[str]:
        for payment in self.database.rows(
            "select p.id, (select count(*) from ledger.transfers as t"
            " inner join ledger.entries as e on t.id = e.transfer_id"
            " inner join ledger.accounts as a on e.account_id = a.id"
            " where starts_with(t.reference, 'payment:' || p.id || ':refund:')"
            " and a.name = 'revenue' and e.amount < 0) as refunds"
            " from public.payments as p where p.customer_id = any (%s)", self.customers,
        ):  # fmt: skip
            if (count := self.count("refund_issued", payment["id"])) != payment["refunds"]:
                yield f"mails: {count} about {payment['refunds']} refunds of {payment['id']}"

    def _subscriptions(self) -> Iterator[str]:
        for subscription in self.database.rows(
            "select id, status from public.subscriptions where customer_id = any (%s)", self.customers
        ):
            started = self.count("subscription_started", subscription["id"])
            ended = self.count("subscription_canceled", subscription["id"])
            due = (1, 0) if subscription["status"] in LIVE else (started, started)
            if subscription["status"] != "incomplete" and ((started, ended) != due or started > 1):
                yield f"mails: {started} that {subscription} began, {ended} that it ended"
        for mail in self.mails:
            told = mail["params"]  # erased with the mail, if somebody left
            if mail["template"] == "subscription_started" and told and not told["renews_at"]:
                yield f"mails: {mail['dedupe_key']} does not know when it renews"
