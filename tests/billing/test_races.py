"""Many at once, over real connections: one effect, no deadlock, no error that is not typed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.acting import Person
from tests.billing.shop import Shop
from tests.identity.organizations import found, join

REFUSALS = {
    "conflict", "forbidden", "invalid_state", "not_authenticated", "not_found", "validation_failed",
}  # fmt: skip
DELETE = "delete from auth.users where id = %s"


def _at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run all at the same time; a result each, or the code of a typed refusal. Any other error is raised."""
    waiting = list(calls)

    def attempt(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except psycopg.Error as refusal:
            if refusal.diag.message_primary not in REFUSALS:
                raise
            return refusal.diag.message_primary

    with ThreadPoolExecutor(len(waiting)) as people:
        return [done.result(timeout=60) for done in [people.submit(attempt, call) for call in waiting]]


def _subscribe(shop: Shop, person: Person, organization: uuid.UUID | None = None) -> str:
    """The id of the checkout."""
    id_: str = shop.start_subscription(person, organization)["checkout_id"]
    return id_


def _assert_all_heard(shop: Shop) -> None:
    """No event of the inbox is left over: none met a deadlock, none failed."""
    undone = (
        "select type, status, error from billing.stripe_events where status not in ('applied', 'ignored')"
    )
    assert shop.world.as_dba(undone) == []
    shop.assert_sound()


def test_identical_deliveries_have_one_effect(shop: Shop) -> None:
    purchase = shop.order(shop.world.person("ada"))
    event = shop.event("checkout.session.completed", shop.session(purchase))
    outcomes = _at_once([lambda: shop.receive(event)] * 50)
    assert sorted(outcomes) == ["applied"] + ["duplicate"] * 49
    assert len(shop.world.as_dba("select * from public.payments")) == 1
    assert len(shop.world.as_dba("select * from ledger.transfers")) == 1
    assert len(shop.world.as_dba("select * from jobs.emails where template = 'order_confirmation'")) == 1
    _assert_all_heard(shop)


def test_the_same_news_in_different_events_has_one_effect(shop: Shop) -> None:
    """Session, intent and charge all say that it was paid, and how much went back of it."""
    purchase = shop.order(shop.world.person("ada"))
    whose = {"customer": purchase.customer, "currency": "usd", "amount": purchase.amount}
    metadata = {"metadata": {"checkout_id": purchase.checkout["checkout_id"]}}
    intent = {"object": "payment_intent", "id": purchase.intent, "status": "succeeded", **whose, **metadata}
    charge = {
        "object": "charge", "id": "ch_1", "payment_intent": purchase.intent, "paid": True, "captured": True,
        "amount_refunded": 500, **whose, **metadata,
    }  # fmt: skip
    refund = shop.refund(purchase, 500)
    news = {
        "checkout.session.completed": shop.session(purchase),
        "payment_intent.succeeded": intent,
        "charge.refunded": charge,
        "refund.created": refund,
    }
    _at_once([partial(shop.tell, t, o) for t, o in news.items() for _ in range(8)])
    payment = shop.payment(purchase)
    assert (payment["status"], payment["amount_refunded"]) == ("succeeded", 500)
    assert len(shop.world.as_dba("select * from public.refunds")) == 1
    assert len(shop.world.as_dba("select * from ledger.transfers")) == 2
    _assert_all_heard(shop)


def test_refunds_together_stay_within_the_payment(shop: Shop) -> None:
    """Fifty times 300 of 2000, asked for by two admins at once: six are taken, the rest refused."""
    payment = shop.payment(shop.paid(shop.world.person("ada"), 2000))["id"]
    admins = [shop.world.person(name) for name in ("grace", "alan")]
    shop.world.as_dba("update public.profiles set role = 'admin' where email <> 'ada@example.com'")

    def refund(admin: Person, number: int) -> int:
        amount: int = admin.row(
            "select amount from admin_refund_payment(%s, 300, null, %s)", payment, f"refund {number}"
        )["amount"]
        return amount

    outcomes = _at_once([partial(refund, admins[n % 2], n) for n in range(50)])
    assert sorted(outcomes, key=str) == [300] * 6 + ["invalid_state"] * 44
    row = shop.dba("select sum(amount)::int as requested, count(*) from public.refunds")
    assert row == {"requested": 1800, "count": 6}
    jobs = shop.world.as_dba("select payload from jobs.queue where kind = 'billing.create_refund'")
    assert len({job["payload"]["refund_id"] for job in jobs}) == len(jobs) == 6


def test_the_same_refund_asked_for_many_times_is_one(shop: Shop) -> None:
    payment = shop.payment(shop.paid(shop.world.person("ada"), 2000))["id"]
    grace = shop.world.person("grace")
    shop.world.as_dba("update public.profiles set role = 'admin' where id = %s", grace.id)
    outcomes = _at_once(
        [lambda: grace.row("select id from admin_refund_payment(%s, 300, null, 'key')", payment)["id"]] * 20
    )
    assert len(set(outcomes)) == 1
    assert len(shop.world.as_dba("select * from public.refunds")) == 1


def test_one_checkout_however_often_somebody_subscribes(shop: Shop) -> None:
    owner, admin = shop.world.person("owner"), shop.world.person("admin")
    organization = found(owner)
    join(owner, organization, admin, "admin")
    mine = [partial(_subscribe, shop, owner)] * 20
    ours = [partial(_subscribe, shop, p, organization) for p in (owner, admin) * 10]
    outcomes = _at_once([*mine, *ours])
    assert len(set(outcomes[:20])) == len(set(outcomes[20:])) == 1
    assert len(shop.world.as_dba("select * from billing.checkouts")) == 2
    assert len(shop.world.as_dba("select * from billing.customers")) == 2


def test_one_order_for_one_idempotency_key(shop: Shop) -> None:
    ada, price = shop.world.person("ada"), str(shop.price())
    items = [{"price_id": price, "quantity": 1}]
    outcomes = _at_once([lambda: shop.start(ada, items, "key")["order_id"]] * 20)
    assert len(set(outcomes)) == 1
    assert len(ada.rows("select * from orders")) == 1
    other = [{"price_id": price, "quantity": 2}]
    outcomes = _at_once([partial(shop.start, ada, i, "another") for i in (items, other) * 10])
    assert outcomes.count("conflict") == 10
    assert len(ada.rows("select * from orders")) == 2


def test_one_attempt_however_often_a_failed_order_is_retried(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.order(ada)
    shop.apply("checkout.session.expired", shop.session(purchase, status="expired", url=None))
    failed = shop.event("payment_intent.payment_failed", shop.decline(purchase)["data"]["object"])
    retry = "select edge.retry_order(%s) as c"
    _at_once([lambda: shop.receive(failed), *[lambda: ada.row(retry, purchase.order_id)["c"]] * 20])
    attempts = shop.world.as_dba("select attempt, status from billing.checkouts order by attempt")
    assert len(attempts) <= 2
    assert sum(row["status"] in ("staged", "open") for row in attempts) <= 1
    _assert_all_heard(shop)


def test_the_end_of_a_subscription_and_the_next_one(shop: Shop) -> None:
    """Whoever comes second sees the first: a conflict, or a new checkout after the end."""
    for number in range(2):
        ada = shop.world.person(f"ada{number}")
        purchase = shop.subscribed(ada)
        ended = shop.event(
            "customer.subscription.deleted", shop.subscription(purchase, status="canceled"), 1_790_000_009
        )
        outcomes = _at_once(
            [
                *[partial(_subscribe, shop, ada)] * 4,
                partial(shop.receive, ended),
                *[partial(_subscribe, shop, ada)] * 4,
            ]
        )
        assert outcomes.pop(4) == "applied"
        assert len(set(outcomes) - {"conflict"}) <= 1
        assert shop.start_subscription(ada)["status"] == "staged"
        assert ada.row("select subscription_tier as tier from profiles")["tier"] == "free"
    _assert_all_heard(shop)


def test_two_subscriptions_of_one_customer_at_once_leave_one(shop: Shop) -> None:
    """As if somebody had paid on two pages: the database keeps one, an admin decides about the other."""
    purchase = shop.open(shop.start_subscription(shop.world.person("ada")))
    events = [
        shop.event("customer.subscription.created", shop.subscription(purchase, id=f"sub_{number}"))
        for number in range(8)
    ]
    _at_once([partial(shop.receive, event) for event in events for _ in range(3)])
    assert len(shop.world.as_dba("select * from public.subscriptions")) == 1
    filed = shop.world.as_dba("select * from billing.discrepancies where kind = 'second_subscription'")
    assert len(filed) == 7
    _assert_all_heard(shop)


def test_a_person_is_deleted_while_stripe_tells_of_them_and_of_their_organization(shop: Shop) -> None:
    """The money stays, the person does not: no deadlock, no address that outlives them, no lost event."""
    for number in range(2):
        ada, heir = shop.world.person(f"ada{number}"), shop.world.person(f"heir{number}")
        shared, alone = found(ada, f"Shared {number}"), found(ada, f"Alone {number}")
        join(ada, shared, heir, "member")
        purchase = shop.order(ada)
        mine, ours, own = shop.subscribed(ada), shop.subscribed(ada, shared), shop.subscribed(ada, alone)
        told = [
            shop.event("checkout.session.completed", shop.session(purchase)),
            shop.event("charge.dispute.created", shop.dispute(purchase)),
            *[
                shop.event(
                    "customer.subscription.updated", shop.subscription(s, status="past_due"), 1_790_000_005
                )
                for s in (mine, ours, own)
            ],
            *[shop.event("invoice.paid", shop.invoice(s)) for s in (mine, ours, own)],
        ]
        deliveries = [partial(shop.receive, event) for event in told]
        _at_once(
            [
                *deliveries[:4],
                partial(shop.world.as_auth_service, DELETE, ada.id),
                *deliveries[4:],
                partial(_subscribe, shop, ada, shared),
                partial(_subscribe, shop, ada),
                partial(_subscribe, shop, heir),
            ]
        )
        _assert_forgotten(shop, ada)
    waiting = shop.world.as_dba("select type, error from billing.stripe_events where status = 'received'")
    assert {row["type"] for row in waiting} <= {"charge.dispute.created"}, "it may come before its payment"
    assert shop.world.as_dba("select * from billing.stripe_events where status in ('failed', 'dead')") == []
    shop.assert_sound()


def _assert_forgotten(shop: Shop, person: Person) -> None:
    traces = shop.world.as_dba(
        "select email from billing.customers where user_id = %s and email is not null"
        " union all select customer_email from public.orders where customer_email = %s"
        ' union all select "to" from jobs.emails where "to" = %s',
        person.id,
        person.email,
        person.email,
    )
    assert traces == []
    alive = shop.world.as_dba(
        "select s.id from public.subscriptions as s where s.user_id = %s and s.status <> 'canceled'"
        " and not exists (select from jobs.queue as j where j.kind = 'billing.cancel_subscription'"
        " and j.payload ->> 'subscription_id' = s.id::text)",
        person.id,
    )
    assert alive == [], "would be charged for ever"


@pytest.mark.parametrize("whole", [True, False])
def test_a_dispute_and_refunds_at_once(shop: Shop, whole: bool) -> None:
    """Each is booked once; together they may take more than was paid, which only Stripe could prevent."""
    purchase = shop.paid(shop.world.person("ada"), 2000)
    payment = shop.payment(purchase)["id"]
    grace = shop.world.person("grace")
    shop.world.as_dba("update public.profiles set role = 'admin' where id = %s", grace.id)
    dispute = shop.dispute(purchase, amount=2000 if whole else 700)
    outcomes = _at_once(
        [
            *[lambda: shop.tell("charge.dispute.created", dispute)] * 8,
            *[lambda: grace.row("select id from admin_refund_payment(%s, 500)", payment)["id"]] * 8,
            *[lambda: shop.tell("charge.dispute.funds_withdrawn", dispute)] * 4,
            lambda: shop.tell("refund.created", shop.refund(purchase, 300)),
        ]
    )
    refunds = shop.world.as_dba("select status, amount from public.refunds where status = 'requested'")
    assert len(refunds) == sum(not isinstance(o, str) for o in outcomes) <= 4
    assert len(shop.world.as_dba("select * from public.disputes")) == 1
    references = {row["reference"].split(":")[0] for row in shop.world.as_dba("table ledger.transfers")}
    assert references == {"payment", "dispute"}
    assert len(shop.world.as_dba("table ledger.transfers")) == 3
    _assert_all_heard(shop)
    shop.apply("charge.dispute.closed", dispute | {"status": "lost"})
    shop.assert_sound()


def test_webhook_and_worker_hear_of_one_refund_at_once(shop: Shop) -> None:
    purchase = shop.paid(shop.world.person("ada"), 2000)
    grace = shop.world.person("grace")
    shop.world.as_dba("update public.profiles set role = 'admin' where id = %s", grace.id)
    asked = grace.row("select id from admin_refund_payment(%s, 500)", shop.payment(purchase)["id"])["id"]
    shop.world.as_dba("update jobs.queue set turn = 'infinity' where kind <> 'billing.create_refund'")
    with psycopg.connect(shop.service_url) as connection:
        held = connection.execute("select id, lease from edge.claim_jobs('a test', 1)").fetchone()
    assert held
    refund = shop.refund(purchase, 500, metadata={"refund_id": str(asked)})
    _at_once(
        [
            lambda: shop.ask("select edge.finish_refund(%s, %s, %s, null)", *held, json.dumps(refund)),
            *[partial(shop.tell, t, refund) for t in ("refund.created", "refund.updated") * 5],
        ]
    )
    assert shop.dba("select id, status from public.refunds") == {"id": asked, "status": "succeeded"}
    assert shop.payment(purchase)["amount_refunded"] == 500
    assert len(shop.world.as_dba("select * from jobs.emails where template = 'refund_issued'")) == 1
    _assert_all_heard(shop)
