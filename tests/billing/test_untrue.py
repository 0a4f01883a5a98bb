"""What Stripe says late, or of somebody else, moves no money."""

from __future__ import annotations

import json
from typing import Any

from tests.acting import Row, refused
from tests.billing.held import claimed
from tests.billing.shop import Purchase, Shop


def _intent(purchase: Purchase, **more: Any) -> Row:
    return {
        "object": "payment_intent", "id": purchase.intent, "status": "succeeded",
        "customer": purchase.customer, "currency": purchase.currency, "amount": purchase.amount,
        "amount_received": purchase.amount, "latest_charge": "ch_1", "last_payment_error": None,
        "metadata": {"checkout_id": purchase.checkout["checkout_id"]},
    } | more  # fmt: skip


def test_a_page_that_is_told_as_it_was_before_the_payment_is_not_paid_again(shop: Shop) -> None:
    """Of two requests for one session the slower one records its answer when all is over."""
    purchase = shop.order(shop.world.person("ada"))
    shop.apply("payment_intent.succeeded", _intent(purchase))
    shop.ask(
        "select edge.open_checkout(%s, %s)",
        purchase.checkout["checkout_id"], json.dumps(shop.session(purchase, status="open")),
    )  # fmt: skip
    assert shop.dba("select amount, status from public.payments") == {
        "amount": purchase.amount,
        "status": "succeeded",
    }
    assert shop.world.as_dba("select * from billing.discrepancies") == []
    shop.assert_sound()


def test_money_of_one_customer_pays_no_order_of_another(shop: Shop) -> None:
    ada, bob = (shop.order(shop.world.person(name)) for name in ("ada", "bob"))
    named = {"checkout_id": ada.checkout["checkout_id"]}
    assert shop.tell("payment_intent.succeeded", _intent(bob, metadata=named)) == "ignored"
    assert shop.tell("payment_intent.succeeded", _intent(bob, customer="cus_x", metadata=named)) == "ignored"
    assert shop.tell("checkout.session.completed", shop.session(ada, customer=bob.customer)) == "ignored"
    assert shop.world.as_dba("select distinct status from public.orders") == [{"status": "pending"}]
    filed = shop.world.as_dba("select subject from billing.discrepancies")
    assert {row["subject"] for row in filed} == {bob.intent, ada.session}
    shop.assert_sound()


def test_a_session_that_ends_without_a_payment_is_filed(shop: Shop) -> None:
    purchase = shop.order(shop.world.person("ada"))
    free: Row = {"payment_status": "no_payment_required", "payment_intent": None, "amount_total": 0}
    shop.apply("checkout.session.completed", shop.session(purchase, **free))
    assert shop.world.as_dba("select * from public.payments") == []
    assert shop.dba("select status from public.orders") == {"status": "pending"}
    assert shop.dba("select kind from billing.discrepancies") == {"kind": "nothing_paid"}


def test_amounts_of_another_currency_are_filed_and_not_booked(shop: Shop) -> None:
    purchase = shop.paid(shop.world.person("ada"))
    shop.apply("refund.created", shop.refund(purchase, 100, currency="jpy"))
    shop.apply("charge.dispute.created", shop.dispute(purchase, status="lost", currency="jpy"))
    assert shop.payment(purchase)["amount_refunded"] == 0
    assert shop.world.as_dba("select * from public.refunds") == []
    assert shop.world.as_dba("select * from public.disputes") == []
    filed = shop.world.as_dba("select kind from billing.discrepancies")
    assert [row["kind"] for row in filed] == ["other_currency"] * 2
    shop.assert_sound()


def test_a_page_is_shown_only_while_it_can_be_paid(shop: Shop) -> None:
    ada = shop.world.person("ada")
    items = [{"price_id": str(shop.price()), "quantity": 1}]
    purchase = shop.open(shop.start(ada, items, key="once"))
    assert shop.start(ada, items, key="once")["url"]
    shop.apply("checkout.session.completed", shop.session(purchase))
    again = shop.start(ada, items, key="once")
    assert (again["status"], again["url"]) == ("complete", None)


def test_a_page_that_stripe_does_not_have_is_over(shop: Shop) -> None:
    """Else a customer would be sent there for ever, and could never subscribe."""
    ada = shop.world.person("ada")
    purchase = shop.open(shop.start_subscription(ada))
    shop.world.as_dba("select billing.refetch('checkout.session', %s)", purchase.session)
    (job,) = claimed(shop)
    shop.ask("select edge.finish_refetch(%s, %s, 0, '[]')::text", job["id"], job["lease"])
    assert shop.start_subscription(ada)["checkout_id"] != purchase.checkout["checkout_id"]


def test_a_page_that_opens_after_its_customer_left_is_closed(shop: Shop) -> None:
    ada = shop.world.person("ada")
    staged = shop.start(ada, [{"price_id": str(shop.price()), "quantity": 1}])
    shop.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    for job in claimed(shop):  # of the deletion: there was no session yet
        shop.ask("select edge.complete_jobs(%s, %s)", [job["id"]], [job["lease"]])
    shop.open(staged)
    (job,) = claimed(shop)
    assert job["payload"] == {"checkout_id": staged["checkout_id"]}


def test_an_event_of_no_time_is_refused(shop: Shop) -> None:
    """One that is recorded is shown to admins, with its time."""
    event = shop.event("balance.available", {"object": "balance"})
    for created in (9223372036854775807, -1):
        with refused("validation_failed", field="created"):
            shop.receive(event | {"created": created})


def test_the_end_of_one_subscription_makes_room_for_the_second(shop: Shop) -> None:
    """Somebody made it at Stripe, and it is paid for: not for a day without what it gives."""
    purchase = shop.subscribed(shop.world.person("ada"))
    second = shop.subscription(purchase) | {"id": "sub_second"}
    shop.apply("customer.subscription.created", second)
    ended = shop.subscription(purchase, status="canceled", ended_at=1_790_000_300)
    shop.apply("customer.subscription.deleted", ended, 1_790_000_300)
    (job,) = [job for job in claimed(shop) if job["payload"].get("id") == "sub_second"]
    shop.ask("select edge.finish_refetch(%s, %s, 0, %s)::text", job["id"], job["lease"], json.dumps([second]))
    assert shop.dba("select status from public.subscriptions where status <> 'canceled'") == {
        "status": "active"
    }
    shop.assert_sound()
