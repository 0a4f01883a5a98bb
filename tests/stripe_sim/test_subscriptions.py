"""Subscriptions over months: the test clock renews, fails and ends them."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.stripe_sim.process import START, Sim
from tests.stripe_sim.shop import Shop

DAY = 86_400


def test_bought_at_the_pay_page(sim: Sim, shop: Shop) -> None:
    session, subscription = shop.subscribe(metadata={"plan": "pro"})
    assert (subscription.status, subscription.metadata["plan"]) == ("active", "pro")
    assert subscription.customer == session.customer
    (item,) = subscription["items"].data
    assert (item.current_period_start, item.price.unit_amount) == (START, 1900)
    assert isinstance(session.invoice, str)
    invoice = shop.v1.invoices.retrieve(session.invoice, {"expand": ["payments"]})
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == (
        "paid",
        "subscription_create",
        1900,
    )
    assert invoice.parent is not None
    assert invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.payments is not None
    assert invoice.payments.data[0].payment.payment_intent is not None
    events = sim.events()
    order = ["customer.created", "customer.subscription.created", "invoice.finalized", "invoice.paid"]
    assert [event for event in events if event in order] == order
    assert events[-1] == "checkout.session.completed"
    told = [event["data"] for event in sim.state()["objects"]["event"]]
    statuses = [data["object"]["status"] for data in told if data["object"]["object"] == "subscription"]
    assert (statuses[0], statuses[-1]) == ("incomplete", "active")


def test_a_declined_first_payment_can_be_repeated(sim: Sim, shop: Shop) -> None:
    session = shop.session((shop.price(1900, "month"), 1), mode="subscription")
    assert sim.press(session.url, method="decline").status_code == 402
    assert shop.reload(session).subscription is None
    (subscription,) = shop.v1.subscriptions.list().data
    assert subscription.status == "incomplete"
    assert sim.press(session.url, method="succeed").status_code == 303
    assert shop.reload(session).subscription == subscription.id
    assert shop.subscription(subscription.id).status == "active"
    assert len(shop.v1.invoices.list().data) == 1


def test_an_abandoned_one_expires(sim: Sim, shop: Shop) -> None:
    session = shop.session((shop.price(1900, "month"), 1), mode="subscription")
    sim.press(session.url, method="decline")
    sim.advance(seconds=DAY)
    (subscription,) = shop.v1.subscriptions.list({"status": "all"}).data
    assert subscription.status == "incomplete_expired"
    assert shop.v1.invoices.list().data[0].status == "void"
    assert shop.reload(session).status == "expired"


def test_it_renews_month_by_month(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    first_end = subscription["items"].data[0].current_period_end
    sim.advance(to=first_end - 1)
    assert len(shop.v1.invoices.list().data) == 1
    sim.advance(to=first_end + 65 * DAY)
    invoices = shop.v1.invoices.list({"subscription": subscription.id}).data
    assert [invoice.status for invoice in invoices] == ["paid"] * 4
    assert [invoice.billing_reason for invoice in invoices] == ["subscription_cycle"] * 3 + [
        "subscription_create"
    ]
    numbers = [invoice.number for invoice in invoices]
    assert len(set(numbers)) == 4
    assert shop.subscription(subscription.id)["items"].data[0].current_period_start > first_end


def test_failed_renewals_are_repeated_and_then_end_it(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe("renewals_fail")
    end = subscription["items"].data[0].current_period_end
    sim.advance(to=end)
    assert shop.subscription(subscription.id).status == "past_due"
    assert sim.events("invoice.payment_failed") == ["invoice.payment_failed"]
    sim.advance(to=end + 14 * DAY)
    assert shop.subscription(subscription.id).status == "past_due"
    sim.advance(to=end + 15 * DAY)
    ended = shop.subscription(subscription.id)
    assert (ended.status, ended.cancellation_details and ended.cancellation_details.reason) == (
        "canceled",
        "payment_failed",
    )
    assert len(sim.events("invoice.payment_failed")) == 4
    assert sim.events()[-1] == "customer.subscription.deleted"
    sim.advance(seconds=100 * DAY)
    assert sim.events()[-1] == "customer.subscription.deleted"


def test_dunning_ends_when_the_card_is_replaced(sim: Sim, shop: Shop) -> None:
    session, subscription = shop.subscribe("renewals_fail")
    sim.advance(to=subscription["items"].data[0].current_period_end)
    page = shop.v1.billing_portal.sessions.create({"customer": str(session.customer)}).url
    sim.press(page, subscription=subscription.id, action="good_card")
    sim.advance(seconds=4 * DAY)
    assert shop.subscription(subscription.id).status == "active"
    assert shop.v1.invoices.list().data[0].status == "paid"


def test_an_open_invoice_can_be_paid_by_hand_or_voided(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe("renewals_fail")
    sim.advance(to=subscription["items"].data[0].current_period_end)
    invoice = shop.v1.invoices.list().data[0]
    with pytest.raises(stripe.CardError, match="declined"):
        shop.v1.invoices.pay(invoice.id)
    assert len(sim.events("invoice.payment_failed")) == 2
    shop.v1.invoices.void_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="status is void"):
        shop.v1.invoices.void_invoice(invoice.id)
    assert sim.events()[-1] == "invoice.voided"
    sim.advance(seconds=20 * DAY)
    assert shop.subscription(subscription.id).status == "past_due"


def test_a_trial_warns_and_then_is_billed(sim: Sim, shop: Shop) -> None:
    session, subscription = shop.subscribe(trial_period_days=14)
    assert (session.payment_status, session.amount_total, subscription.status) == (
        "no_payment_required",
        0,
        "trialing",
    )
    sim.advance(seconds=11 * DAY)
    assert sim.events()[-1] == "customer.subscription.trial_will_end"
    sim.advance(seconds=3 * DAY)
    assert shop.subscription(subscription.id).status == "active"
    assert [invoice.amount_paid for invoice in shop.v1.invoices.list().data] == [1900, 0]


def test_a_trial_without_a_card_pauses(sim: Sim, shop: Shop) -> None:
    subscription = shop.v1.subscriptions.create(
        {
            "customer": shop.customer().id,
            "items": [{"price": shop.price(1900, "month").id}],
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        }
    )
    sim.advance(seconds=7 * DAY)
    assert shop.subscription(subscription.id).status == "paused"
    assert sim.events()[-1] == "customer.subscription.paused"
    shop.v1.subscriptions.update(subscription.id, {"default_payment_method": "pm_card_visa"})
    assert shop.v1.subscriptions.resume(subscription.id).status == "active"
    assert "customer.subscription.resumed" in sim.events()


def test_cancel_at_the_end_of_the_period_and_think_again(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    end = subscription["items"].data[0].current_period_end
    shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    ending = shop.subscription(subscription.id)
    assert (ending.status, ending.cancel_at, ending.canceled_at) == ("active", end, START)
    shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert shop.subscription(subscription.id).cancel_at is None
    shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    sim.advance(to=end)
    ended = shop.subscription(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", end)
    assert len(shop.v1.invoices.list().data) == 1


def test_canceled_is_for_ever(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    assert shop.v1.subscriptions.cancel(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        shop.v1.subscriptions.cancel(subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription can only"):
        shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    sim.advance(seconds=60 * DAY)
    assert sim.events()[-1] == "customer.subscription.deleted"


def test_paused_collection_makes_invoices_that_nobody_pays(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    end = subscription["items"].data[0].current_period_end
    shop.v1.subscriptions.update(
        subscription.id, {"pause_collection": {"behavior": "void", "resumes_at": end + DAY}}
    )
    sim.advance(to=end)
    assert shop.v1.invoices.list().data[0].status == "void"
    sim.advance(to=end + 32 * DAY)
    assert shop.v1.invoices.list().data[0].status == "paid"
    assert shop.subscription(subscription.id).status == "active"


def test_another_price_is_billed_for_the_rest_of_the_period(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe(amount=1000)
    item = subscription["items"].data[0]
    sim.advance(seconds=(item.current_period_end - item.current_period_start) // 2)
    shop.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item.id, "price": shop.price(3000, "month").id}],
            "proration_behavior": "always_invoice",
        },
    )
    assert shop.v1.invoices.list().data[0].amount_paid == 1000


def test_the_portal_cancels_and_resumes_only_what_is_the_customers(sim: Sim, shop: Shop) -> None:
    session, mine = shop.subscribe()
    _, other = shop.subscribe()
    page = shop.v1.billing_portal.sessions.create(
        {"customer": str(session.customer), "return_url": "https://shop.example/account"}
    ).url
    assert "https://shop.example/account" in httpx.get(page).text
    sim.press(page, subscription=mine.id, action="cancel")
    assert shop.subscription(mine.id).cancel_at_period_end
    assert "Don&#x27;t cancel" in httpx.get(page).text
    sim.press(page, subscription=mine.id, action="resume")
    assert not shop.subscription(mine.id).cancel_at_period_end
    assert sim.press(page, subscription=other.id, action="cancel_now").status_code == 400
    sim.press(page, subscription=mine.id, action="cancel_now")
    assert [shop.subscription(each.id).status for each in (mine, other)] == ["canceled", "active"]


def test_deleting_a_customer_ends_the_subscription(sim: Sim, shop: Shop) -> None:
    session, subscription = shop.subscribe()
    customer = str(session.customer)
    assert shop.v1.customers.delete(customer).deleted
    assert shop.v1.customers.retrieve(customer).deleted
    assert shop.subscription(subscription.id).status == "canceled"
    assert sim.events()[-2:] == ["customer.subscription.deleted", "customer.deleted"]


def test_a_failed_debit_of_the_first_invoice_is_dunned(sim: Sim, shop: Shop) -> None:
    session, subscription = shop.subscribe("async_fail")
    assert (session.payment_status, subscription.status) == ("unpaid", "active")
    sim.advance(seconds=5 * DAY)
    assert shop.subscription(subscription.id).status == "past_due"
    assert sim.events("checkout.session")[-1] == "checkout.session.async_payment_failed"
