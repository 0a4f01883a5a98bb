"""Checkout: what a person does at the pay page, and what Stripe makes of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests.stripe_sim.process import START, Sim
from tests.stripe_sim.shop import Shop

DAY = 86_400


def test_a_purchase_of_several_things(sim: Sim, shop: Shop) -> None:
    session = shop.session(
        (shop.price(1500), 2),
        (shop.price(999), 1),
        customer_email="ada@example.com",
        client_reference_id="order-1",
        metadata={"order": "1"},
        payment_intent_data={"metadata": {"order": "1"}, "description": "Order 1"},
    )
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 3999)
    assert session.payment_intent is None
    assert session.url is not None
    page = httpx.get(session.url).text
    assert "39.99 USD" in page
    assert "ada@example.com" in page

    answer = sim.press(session.url, method="succeed", name="Ada")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://shop.example/thanks?session={session.id}"
    paid = shop.reload(session)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details is not None
    assert (paid.customer_details.email, paid.customer_details.name) == ("ada@example.com", "Ada")
    charge = shop.charge_of(paid)
    assert (charge.amount_captured, charge.metadata["order"]) == (3999, "1")
    lines = shop.v1.checkout.sessions.line_items.list(session.id)
    assert [(line.quantity, line.amount_total) for line in lines.data] == [(2, 3000), (1, 999)]
    assert sim.events()[-4:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize("method", ["decline", "insufficient_funds"])
def test_after_a_decline_the_same_session_can_be_paid(sim: Sim, shop: Shop, method: str) -> None:
    session = shop.session((shop.price(), 1))
    answer = sim.press(session.url, method=method)
    assert answer.status_code == 402
    assert 'role="alert"' in answer.text
    tried = shop.reload(session)
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    assert sim.events("payment_intent") == ["payment_intent.created", "payment_intent.payment_failed"]

    assert sim.press(session.url, method="succeed").status_code == 303
    assert shop.reload(session).payment_intent == tried.payment_intent
    assert len(shop.v1.charges.list({"payment_intent": str(tried.payment_intent)}).data) == 2


@pytest.mark.parametrize(("result", "status"), [("succeed", "complete"), ("fail", "open")])
def test_authentication_succeeds_or_fails(sim: Sim, shop: Shop, result: str, status: str) -> None:
    session = shop.session((shop.price(), 1))
    assert "Your bank asks" in sim.press(session.url, method="authenticate").text
    assert sim.events()[-1] == "payment_intent.requires_action"
    assert shop.reload(session).status == "open"
    sim.press(f"{session.url}/authenticate", result=result)
    assert shop.reload(session).status == status
    expected = "checkout.session.completed" if result == "succeed" else "payment_intent.payment_failed"
    assert sim.events()[-1] == expected


@pytest.mark.parametrize(
    ("method", "paid", "event"),
    [("async_succeed", "paid", "succeeded"), ("async_fail", "unpaid", "failed")],
)
def test_a_bank_debit_is_complete_before_it_is_paid(
    sim: Sim, shop: Shop, method: str, paid: str, event: str
) -> None:
    session = shop.purchase(method=method)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    sim.advance(seconds=5 * DAY)
    assert shop.reload(session).payment_status == paid
    assert sim.events("checkout.session") == [
        "checkout.session.completed",
        f"checkout.session.async_payment_{event}",
    ]


def test_a_session_completes_once(sim: Sim, shop: Shop) -> None:
    session = shop.session((shop.price(), 1))
    url = session.url
    assert [sim.press(url).status_code for _ in range(3)] == [303, 400, 400]
    assert len(shop.v1.charges.list().data) == 1


def test_twenty_people_at_one_pay_page_pay_once(sim: Sim, shop: Shop) -> None:
    url = shop.session((shop.price(1900, "month"), 1), mode="subscription").url
    with ThreadPoolExecutor(20) as people:
        answers = [*people.map(lambda _: sim.press(url).status_code, range(20))]
    assert sorted(answers) == [303] + [400] * 19
    assert len(shop.v1.subscriptions.list().data) == len(shop.v1.charges.list().data) == 1


def test_an_expired_session_cannot_be_paid(sim: Sim, shop: Shop) -> None:
    by_request, by_clock = shop.session((shop.price(), 1)), shop.session((shop.price(), 1))
    sim.press(by_clock.url, method="decline")
    shop.v1.checkout.sessions.expire(by_request.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of `expired`"):
        shop.v1.checkout.sessions.expire(by_request.id)
    sim.advance(seconds=DAY)
    for session in (by_request, by_clock):
        assert shop.reload(session).status == "expired"
        assert sim.press(session.url).status_code == 400
    assert sim.events("checkout.session") == ["checkout.session.expired"] * 2
    assert sim.events("payment_intent")[-1] == "payment_intent.canceled"


def test_customers_are_made_when_asked_for(shop: Shop) -> None:
    assert shop.purchase().customer is None
    assert shop.purchase(customer_creation="always").customer
    known = shop.customer()
    assert shop.purchase(customer=known.id).customer == known.id


def test_a_decline_can_be_ordered(sim: Sim, shop: Shop) -> None:
    sim.control("POST", "decline", {"times": 2, "code": "insufficient_funds"})
    session = shop.session((shop.price(), 1))
    assert [sim.press(session.url).status_code for _ in range(3)] == [402, 402, 303]


def test_what_a_session_refuses(shop: Shop) -> None:
    once, monthly, euros = shop.price(), shop.price(1900, "month"), shop.price(currency="eur")
    retired = shop.price()
    shop.v1.prices.update(retired.id, {"active": False})
    gone = shop.customer()
    shop.v1.customers.delete(gone.id)
    refused: list[tuple[str, list[tuple[stripe.Price, int]], dict[str, Any]]] = [
        ("recurring price", [(monthly, 1)], {}),
        ("at least one recurring", [(once, 1)], {"mode": "subscription"}),
        ("same interval and currency", [(once, 1), (euros, 1)], {}),
        ("inactive", [(retired, 1)], {}),
        ("Quantity", [(once, 0)], {}),
        ("at least 50", [(shop.price(10), 1)], {}),
        ("No such customer", [(once, 1)], {"customer": gone.id}),
        ("only specify one", [(once, 1)], {"customer": gone.id, "customer_email": "a@b.c"}),
        ("between 30 minutes", [(once, 1)], {"expires_at": START + 60}),
        ("Missing required param: line_items", [], {}),
    ]
    for message, prices, params in refused:
        with pytest.raises(stripe.InvalidRequestError, match=message):
            shop.session(*prices, **params)
    assert shop.v1.checkout.sessions.list().data == []


def test_pages_show_text_and_never_markup(shop: Shop) -> None:
    price = shop.price(product_data={"name": "<script>alert(1)</script>"})
    session = shop.session((price, 1), customer_email='"><b>@example.com')
    assert session.url is not None
    page = httpx.get(session.url).text
    assert "<script>" not in page
    assert "<b>@" not in page
