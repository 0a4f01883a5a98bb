"""What the database says after everything arrived, compared with what it should say."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.acting import Row
from tests.billing.properties.database import Database
from tests.billing.properties.mails import Outbox
from tests.billing.properties.oracle import Truth
from tests.billing.properties.play import Play


class Ledger:
    """The balances, added up from raw entries, as they were when this was made."""

    def __init__(self, database: Database) -> None:
        self.balances = {
            row["account"]: int(row["amount"])
            for row in database.rows(
                "select case a.owner_kind when 'customer' then a.owner_id else a.name end as account,"
                " sum(e.amount) as amount from ledger.entries as e"
                " inner join ledger.accounts as a on e.account_id = a.id group by 1"
            )
        }

    def since(self, before: Ledger) -> dict[str, int]:
        moved = Counter(self.balances)
        moved.subtract(before.balances)
        return {account: amount for account, amount in moved.items() if amount}


def customers_of(play: Play) -> list[Row]:
    return play.database.rows(
        "select id, user_id, organization_id, stripe_id from billing.customers"
        " where user_id = any (%s) or organization_id = %s",
        [play.cast.ada.id, play.cast.bob.id], play.cast.company,
    )  # fmt: skip


def differences(play: Play, before: Ledger) -> list[str]:
    """Everything that is not as it should be."""
    customers = customers_of(play)
    ids = [row["id"] for row in customers]
    heard = play.database.rows(
        "select id from billing.stripe_events where id = any (%s)",
        [event["id"] for event in play.stripe.events()],
    )
    names = {row["stripe_id"]: str(row["id"]) for row in customers if row["stripe_id"]}
    truth = Truth(play.stripe, names, frozenset(row["id"] for row in heard))
    staying = [row["id"] for row in customers if row["user_id"] not in play.gone]
    return [
        *_orders(play, truth, ids),
        *_unlike("payment", _payments(play.database, ids), truth.payments()),
        *_unlike("refund", _refunds(play.database, ids), truth.refunds()),
        *_unlike("dispute", _disputes(play.database, ids), truth.disputes()),
        *_unlike("subscription", _subscriptions(play.database, ids), truth.subscriptions()),
        *_tiers(play, truth, customers),
        *_money(play, truth, ids, before),
        *Outbox(play.database, staying).wrong(truth),
        *_loose_ends(play, ids),
    ]


def _unlike(what: str, actual: Mapping[str, object], expected: Mapping[str, object]) -> Iterator[str]:
    for key in sorted({*actual, *expected}):
        if actual.get(key) != expected.get(key):
            yield f"{what} {key} is {actual.get(key)}, not {expected.get(key)}"


def _orders(play: Play, truth: Truth, ids: list[uuid.UUID]) -> Iterator[str]:
    expected = truth.orders()
    rows = play.database.rows(
        "select id::text, status, amount_refunded from public.orders where customer_id = any (%s)", ids
    )
    for row in rows:
        statuses, refunded = expected.get(row["id"], ({"pending"}, 0))
        if row["id"] not in play.retried and statuses == {"failed", "pending"}:
            statuses = {"failed"}
        if row["status"] not in statuses or row["amount_refunded"] != refunded:
            yield f"order {row['id']} is {row['status']} {row['amount_refunded']}, not {statuses} {refunded}"


def _payments(database: Database, ids: list[uuid.UUID]) -> dict[str, tuple[Any, ...]]:
    rows = database.rows(
        "select coalesce(s.invoice, s.payment_intent) as name, p.status, p.amount, p.amount_refunded"
        " from public.payments as p left join billing.stripe_payments as s on p.id = s.payment_id"
        " where p.customer_id = any (%s)", ids,
    )  # fmt: skip
    return {row["name"]: (row["status"], row["amount"], row["amount_refunded"]) for row in rows}


def _refunds(database: Database, ids: list[uuid.UUID]) -> dict[str, tuple[Any, ...]]:
    rows = database.rows(
        "select coalesce(s.stripe_id, 'unknown ' || r.id) as name, r.status, r.amount"
        " from public.refunds as r inner join public.payments as p on r.payment_id = p.id"
        " left join billing.stripe_refunds as s on r.id = s.refund_id"
        " where p.customer_id = any (%s) and not (s.refund_id is null and r.status = 'failed')", ids,
    )  # fmt: skip
    return {row["name"]: (row["status"], row["amount"]) for row in rows}


def _disputes(database: Database, ids: list[uuid.UUID]) -> dict[str, tuple[Any, ...]]:
    rows = database.rows(
        "select s.stripe_id as name, d.status, d.amount from public.disputes as d"
        " inner join public.payments as p on d.payment_id = p.id"
        " left join billing.stripe_disputes as s on d.id = s.dispute_id where p.customer_id = any (%s)", ids,
    )  # fmt: skip
    return {row["name"]: (row["status"], row["amount"]) for row in rows}


def _subscriptions(database: Database, ids: list[uuid.UUID]) -> dict[str, tuple[Any, ...]]:
    rows = database.rows(
        "select n.stripe_id as name, s.* from public.subscriptions as s"
        " left join billing.stripe_subscriptions as n on s.id = n.subscription_id"
        " where s.customer_id = any (%s)",
        ids,
    )
    moments = ("current_period_start", "current_period_end", "trial_end", "canceled_at", "ended_at")
    return {
        row["name"]: (
            row["status"], row["cancel_at_period_end"],
            *(row[name] and int(row[name].timestamp()) for name in moments),
        )
        for row in rows
    }  # fmt: skip


def _tiers(play: Play, truth: Truth, customers: list[Row]) -> Iterator[str]:
    pro = truth.pro()
    rows = play.database.rows(
        "select c.id::text, coalesce(p.subscription_tier, o.subscription_tier) as tier"
        " from billing.customers as c"
        " left join public.profiles as p on c.user_id = p.id"
        " left join public.organizations as o on c.organization_id = o.id where c.id = any (%s)",
        [row["id"] for row in customers],
    )
    for row in rows:
        if (row["tier"] == "pro") != (row["id"] in pro):
            yield f"customer {row['id']} has the tier {row['tier']}"


def _money(play: Play, truth: Truth, ids: list[uuid.UUID], before: Ledger) -> Iterator[str]:
    moved = Ledger(play.database).since(before)
    yield from _unlike("balance of", moved, truth.balances())
    if moved.get("revenue", 0) != truth.gross():
        yield f"revenue is {moved.get('revenue')}, Stripe has {truth.gross()}"
    rows = play.database.rows(
        "select p.id,"
        " (select count(*) from ledger.transfers as t where t.reference = 'payment:' || p.id) as count"
        " from public.payments as p where p.customer_id = any (%s) and p.status = 'succeeded'", ids,
    )  # fmt: skip
    yield from (f"payment {row['id']} has {row['count']} transfers" for row in rows if row["count"] != 1)
    yield from (f"ledger: {row}" for row in play.database.rows("select * from ledger.check()"))


def _loose_ends(play: Play, ids: list[uuid.UUID]) -> Iterator[str]:
    mine = [event["id"] for event in play.stripe.events()]
    for row in play.database.rows(
        "select id, type, status, error, waits_for from billing.stripe_events where id = any (%s)"
        " and status not in ('applied', 'ignored')", mine,
    ):  # fmt: skip
        yield f"event {row}"
    heard = play.database.rows("select count(*) from billing.stripe_events where id = any (%s)", mine)
    if heard[0]["count"] + len(play.network.lost) < len(mine):
        yield f"only {heard[0]['count']} of {len(mine)} events are there"
    for row in play.database.rows("select kind, payload, reason from jobs.finished where outcome = 'dead'"):
        yield f"dead job {row}"
    for row in play.database.rows(
        "select kind, subject, detail from billing.discrepancies where resolved_at is null"
        " and kind not in ('refund_refused', 'missing_at_stripe')"
        " and first_seen_at >= (select min(created_at) from billing.customers where id = any (%s))",
        ids,
    ):
        yield f"discrepancy {row}"
