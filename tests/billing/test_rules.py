"""What not even whoever owns the database can write by mistake."""

from __future__ import annotations

import itertools
import uuid
from typing import LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acting import refused
from tests.billing.shop import Purchase, Shop
from tests.billing.subscribing import subscribe
from tests.identity.organizations import found

STATES = {
    "order": ("pending", "paid", "failed", "expired", "partially_refunded", "refunded"),
    "payment": ("processing", "failed", "succeeded"),
    "refund": ("requested", "pending", "requires_action", "succeeded", "failed", "canceled"),
    "dispute": (
        "warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review",
        "won", "lost", "prevented",
    ),
    "subscription": ("incomplete", "trialing", "active", "past_due", "unpaid", "paused", "canceled"),
}  # fmt: skip
"""Every state of every machine, written down a second time."""
INVENTED = "eaten"
FINAL = {
    "payment": {"succeeded"},
    "refund": {"failed", "canceled"},
    "dispute": {"won", "lost", "prevented", "warning_closed"},
    "subscription": {"canceled"},
}

BEGIN: dict[str, LiteralString] = {
    "order": "with o as (insert into public.orders"
    " (customer_id, user_id, status, currency, total, amount_refunded, paid_at)"
    " select c.id, c.user_id, %(status)s, 'USD', 10,"
    " case %(status)s when 'refunded' then 10 when 'partially_refunded' then 5 else 0 end,"
    " case when %(status)s in ('paid', 'partially_refunded', 'refunded') then now() end"
    " from billing.customers as c where c.user_id is not null returning id, user_id)"
    " insert into public.order_items"
    " (order_id, line, user_id, product_id, price_id, name, unit_amount, quantity)"
    " select o.id, 1, o.user_id, p.product_id, p.id, 'Gear', 10, 1 from o, public.prices as p limit 1"
    " returning order_id as id",
    "payment": "insert into public.payments (customer_id, order_id, status, currency, amount, paid_at)"
    " select o.customer_id, o.id, %(status)s, 'USD', 10, case %(status)s when 'succeeded' then now() end"
    " from public.orders as o limit 1 returning id",
    "refund": "insert into public.refunds (payment_id, status, amount, requested_by)"
    " select p.id, %(status)s, 1, p.user_id from public.payments as p limit 1 returning id",
    "dispute": "insert into public.disputes (payment_id, status, currency, amount)"
    " select p.id, %(status)s, 'USD', 1 from public.payments as p limit 1 returning id",
    "subscription": "insert into public.subscriptions (customer_id, plan, status, ended_at)"
    " select c.id, 'pro', %(status)s, case %(status)s when 'canceled' then now() end"
    " from billing.customers as c where c.user_id is not null returning id",
}
MOVE: dict[str, LiteralString] = {
    "order": "update public.orders set status = %(status)s,"
    " amount_refunded = case %(status)s when 'refunded' then 10 when 'partially_refunded' then 5 else 0 end,"
    " paid_at = case when %(status)s in ('paid', 'partially_refunded', 'refunded') then now() end"
    " where id = %(id)s",
    "payment": "update public.payments set status = %(status)s,"
    " paid_at = case %(status)s when 'succeeded' then now() end where id = %(id)s",
    "refund": "update public.refunds set status = %(status)s where id = %(id)s",
    "dispute": "update public.disputes set status = %(status)s where id = %(id)s",
    "subscription": "update public.subscriptions set status = %(status)s,"
    " ended_at = case %(status)s when 'canceled' then now() end where id = %(id)s",
}


@pytest.mark.parametrize("machine", STATES)
def test_every_move_is_in_the_table_or_refused(shop: Shop, machine: str) -> None:
    """All pairs of states, as the owner of the tables; with an invented state, and from every beginning."""
    shop.paid(shop.world.person("ada"), 100)
    states = STATES[machine]
    table = {
        (row["from_status"], row["to_status"])
        for row in shop.world.as_dba(
            "select from_status, to_status from billing.transitions where machine = %s", machine
        )
    }
    assert {state for move in table for state in move} == {"", *states}
    with psycopg.connect(shop.world.database_url, autocommit=True, row_factory=dict_row) as owner:
        done = {
            (start, end)
            for start, end in itertools.product(("", *states), (*states, INVENTED))
            if start != end and _can_move(owner, machine, start, end, table)
        }
    assert done == table
    assert {start for start, _ in done} & FINAL.get(machine, set()) == set()


def _can_move(
    owner: psycopg.Connection[dict[str, uuid.UUID]],
    machine: str,
    start: str,
    end: str,
    table: set[tuple[str, str]],
) -> bool:
    """Try it, take everything back; it may fail for no other reason than the machine."""
    path = _path(start, table)
    try:
        with owner.transaction(force_rollback=True):
            # That a payment has to be there is another rule.
            owner.execute("alter table public.orders disable trigger _160_require_payment")
            first, *rest = [*path, end]
            row = owner.execute(BEGIN[machine], {"status": first}).fetchone()
            assert row
            for status in rest:
                owner.execute(MOVE[machine], {"status": status, "id": row["id"]})
    except psycopg.Error as refusal:
        if refusal.diag.message_primary not in ("invalid_state", "forbidden"):
            raise
        return False
    return True


def _path(end: str, table: set[tuple[str, str]]) -> list[str]:
    """The shortest way to a state, by the table."""
    paths = {"": list[str]()}
    while end not in paths:
        paths |= {b: [*paths[a], b] for a, b in sorted(table) if a in paths and b not in paths}
    return paths[end]


def test_refunds_by_hand_stay_within_what_was_captured(shop: Shop) -> None:
    ada = shop.world.person("ada")
    payment = shop.payment(shop.paid(ada, 2000))["id"]
    insert: LiteralString = (
        "insert into public.refunds (payment_id, status, amount, requested_by) values (%s, %s, %s, %s)"
    )
    shop.world.as_dba(insert, payment, "requested", 1500, ada.id)
    with refused("invalid_state", rule="refunds_within_the_captured_amount", left=500):
        shop.world.as_dba(insert, payment, "requested", 501, ada.id)
    with refused("23514"):
        shop.world.as_dba(insert, payment, "succeeded", 2001, None)
    shop.world.as_dba(insert, payment, "succeeded", 500, None)
    with refused("invalid_state", left=0):
        shop.world.as_dba(insert, payment, "requested", 1, ada.id)
    for amount in (0, -1):
        with refused("validation_failed", field="amount"):
            shop.world.as_dba(insert, payment, "succeeded", amount, None)
    with refused("23514"):
        shop.world.as_dba("update public.payments set amount_refunded = 2001")
    assert shop.dba("select amount_refunded, amount_requested from public.payments") == {
        "amount_refunded": 500,
        "amount_requested": 1500,
    }
    shop.assert_sound()


def test_what_was_not_paid_is_not_refunded(shop: Shop) -> None:
    purchase = shop.order(shop.world.person("ada"))
    shop.receive(shop.decline(purchase))
    for status in ("requested", "succeeded"):
        with refused("invalid_state", status="failed"):
            shop.world.as_dba(
                "insert into public.refunds (payment_id, status, amount, requested_by)"
                " select id, %s, 1, user_id from public.payments",
                status,
            )


def test_there_is_no_payment_without_a_customer(shop: Shop) -> None:
    purchase = shop.order(shop.world.person("ada"))
    pay: LiteralString = (
        "insert into public.payments (customer_id, user_id, order_id, status, currency, amount, paid_at)"
        " values (%s, %s, %s, 'succeeded', 'USD', 2000, now())"
    )
    stranger = shop.world.person("eve")
    with refused("23502"):
        shop.world.as_dba(pay, None, stranger.id, purchase.order_id)
    with pytest.raises(psycopg.Error):
        shop.world.as_dba(pay, uuid.uuid4(), stranger.id, purchase.order_id)
    shop.world.as_dba(pay, purchase.checkout["customer"]["id"], stranger.id, purchase.order_id)
    assert stranger.rows("select * from payments") == [], "whose it is follows from the customer"
    with refused("forbidden"):
        shop.world.as_dba("update public.payments set user_id = %s", stranger.id)


def test_a_customer_has_one_live_subscription(shop: Shop) -> None:
    ada = shop.world.person("ada")
    subscribe(shop.world, ada.id)
    again: LiteralString = (
        "insert into public.subscriptions (customer_id, plan, status)"
        " select customer_id, 'pro', %s from public.subscriptions limit 1 returning id"
    )
    for status in ("trialing", "active", "past_due", "unpaid", "paused"):
        with refused("23505"):
            shop.world.as_dba(again, status)
    shop.world.as_dba(again, "incomplete")
    with refused("23505"):
        shop.world.as_dba("update public.subscriptions set status = 'active' where status = 'incomplete'")


def test_the_tier_cannot_be_set_to_what_is_not_paid(shop: Shop) -> None:
    ada = shop.world.person("ada")
    organization = found(ada)
    by_hand: tuple[LiteralString, ...] = (
        "update public.profiles set subscription_tier = %s",
        "update public.organizations set subscription_tier = %s",
    )
    for statement in by_hand:
        with refused("invalid_state", rule="tier_follows_subscription"):
            shop.world.as_dba(statement, "pro")
    with refused("invalid_state", rule="tier_follows_subscription"):
        shop.world.as_dba(
            "insert into public.profiles (id, subscription_tier) values (gen_random_uuid(), 'pro')"
        )
    with refused("invalid_state", rule="tier_follows_subscription"):
        shop.world.as_dba(
            "insert into public.organizations (name, slug, subscription_tier) values ('x', 'x-y', 'pro')"
        )
    subscribe(shop.world, ada.id, organization)
    for statement in by_hand:
        with refused("invalid_state", tier="pro"):
            shop.world.as_dba(statement, "free")
    for status, tier in (("past_due", "pro"), ("unpaid", "free"), ("trialing", "pro"), ("paused", "free")):
        shop.world.as_dba("update public.subscriptions set status = %s", status)
        assert ada.row("select subscription_tier from profiles") == {"subscription_tier": tier}
        assert ada.row("select subscription_tier from organizations") == {"subscription_tier": tier}
    shop.assert_sound()


def test_an_order_is_worth_its_items(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.order(ada, 2000)
    line: LiteralString = (
        "insert into public.order_items"
        " (order_id, line, user_id, product_id, price_id, name, unit_amount, quantity)"
        " select order_id, 2, user_id, product_id, price_id, name, 1, 1 from public.order_items"
    )
    with refused("validation_failed", field="total"):
        shop.world.as_dba(line)
    with refused("validation_failed", field="total"):
        shop.world.as_dba(
            "insert into public.orders (customer_id, user_id, currency, total)"
            " select customer_id, user_id, 'USD', 5 from public.orders"
        )
    changes: tuple[LiteralString, ...] = (
        "update public.orders set total = 1",
        "update public.orders set user_id = gen_random_uuid()",
        "update public.orders set currency = 'EUR'",
        "update public.order_items set unit_amount = 1",
        "update public.order_items set quantity = 2",
        "delete from public.order_items",
        "truncate public.order_items",
    )
    for change in changes:
        with refused("forbidden"):
            shop.world.as_dba(change)
    assert shop.payment(_pay(shop, purchase))["amount"] == 2000


def _pay(shop: Shop, purchase: Purchase) -> Purchase:
    shop.apply("checkout.session.completed", shop.session(purchase))
    return purchase


def test_an_order_is_not_paid_by_hand(shop: Shop) -> None:
    """Its status follows a payment; without one it cannot say that there was one."""
    purchase = shop.order(shop.world.person("ada"))
    with refused("invalid_state", rule="status_follows_the_money"):
        shop.world.as_dba("update public.orders set status = 'paid', paid_at = now()")
    _pay(shop, purchase)
    for status, refunded in (("refunded", 2000), ("partially_refunded", 1)):
        with refused("invalid_state", rule="status_follows_the_money"):
            shop.world.as_dba("update public.orders set status = %s, amount_refunded = %s", status, refunded)


def test_money_that_is_written_by_hand_is_in_the_ledger_too(shop: Shop) -> None:
    purchase = shop.order(shop.world.person("ada"))
    shop.world.as_dba(
        "insert into public.payments (customer_id, order_id, status, currency, amount)"
        " values (%s, %s, 'processing', 'USD', 2000)",
        purchase.checkout["customer"]["id"], purchase.order_id,
    )  # fmt: skip
    assert shop.world.as_dba("select * from ledger.transfers") == []
    shop.world.as_dba("update public.payments set status = 'succeeded', paid_at = now()")
    shop.assert_sound()
    shop.world.as_dba(
        "insert into public.refunds (payment_id, status, amount)"
        " select id, 'succeeded', 300 from public.payments"
    )
    shop.world.as_dba("update public.payments set amount_refunded = amount_refunded + 200")
    shop.world.as_dba(
        "insert into public.disputes (payment_id, status, currency, amount)"
        " select id, 'needs_response', 'USD', 700 from public.payments"
    )
    shop.world.as_dba("update public.disputes set status = 'lost'")
    rows = shop.world.as_dba("select name, balance from ledger.balances order by name")
    assert [tuple(row.values()) for row in rows] == [("disputed", 0), ("payments", -800), ("revenue", 800)]
    shop.assert_sound()


def test_what_was_paid_is_neither_deleted_nor_rewritten(shop: Shop, subtests: pytest.Subtests) -> None:
    ada = shop.world.person("ada")
    purchase = shop.paid(ada)
    shop.apply("refund.created", shop.refund(purchase, 500))
    shop.apply("charge.dispute.created", shop.dispute(purchase, amount=100))
    subscribe(shop.world, ada.id)
    for table in ("orders", "order_items", "payments", "refunds", "disputes", "subscriptions"):
        for statement in (f"delete from public.{table}", f"truncate public.{table} cascade"):  # noqa: S608
            with subtests.test(statement), refused("forbidden"):
                shop.world.as_dba(statement)
    rewrites: tuple[LiteralString, ...] = (
        "update public.payments set amount = 1",
        "update public.payments set status = 'failed', paid_at = null",
        "update public.payments set currency = 'EUR'",
        "update public.refunds set amount = 1",
        "update public.refunds set requested_by = payment_id",
        "update public.disputes set amount = 1",
        "update public.subscriptions set customer_id = gen_random_uuid()",
        "update public.prices set unit_amount = 1",
        "update billing.customers set stripe_id = 'cus_other'",
        "update billing.customers set user_id = null, organization_id = gen_random_uuid()",
    )
    for rewrite in rewrites:
        with subtests.test(rewrite), refused("forbidden"):
            shop.world.as_dba(rewrite)
    with refused("invalid_state"):
        shop.world.as_dba("update billing.checkouts set paid = false")
    shop.assert_sound()
