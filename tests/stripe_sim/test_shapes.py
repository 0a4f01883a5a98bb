"""Every object is what the SDK of this version expects: names, types, words, and what must be there."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from scripts.stripe_sim.paying import CHOICES
from scripts.stripe_sim.versions import CURRENT, PREVIOUS, PREVIOUS_MAJOR
from tests.stripe_sim.process import Sim
from tests.stripe_sim.shapes import problems
from tests.stripe_sim.shop import Shop

DAY = 86_400


@pytest.fixture
def eventful(sim: Sim, shop: Shop) -> dict[str, Any]:
    """The state after about everything has happened."""
    for method in CHOICES:
        session = shop.purchase(method=method, customer_creation="always")
        if method == "authenticate":
            sim.press(f"{session.url}/authenticate", result="fail")
    charge = shop.charge_of(shop.purchase())
    refund = shop.v1.refunds.create({"charge": charge.id, "amount": 500})
    sim.control("POST", f"refunds/{refund.id}", {"status": "failed"})
    dispute = sim.control("POST", "disputes", {"charge": charge.id})
    sim.control("POST", f"disputes/{dispute['id']}", {"status": "won"})
    _, subscription = shop.subscribe()
    shop.v1.subscriptions.pause(subscription.id)
    shop.v1.subscriptions.resume(subscription.id)
    shop.subscribe("renewals_fail")
    shop.subscribe(trial_period_days=5)
    sim.advance(seconds=70 * DAY)
    return sim.state()


def test_every_object_and_event_fits_the_sdk(eventful: dict[str, Any]) -> None:
    objects = eventful["objects"]
    empty = [kind for kind, documents in objects.items() if not documents]
    assert empty == []
    found = {
        f"{event['type']} {problem}"
        for event in objects["event"]
        for problem in problems(event["data"]["object"])
    }
    found |= {problem for documents in objects.values() for each in documents for problem in problems(each)}
    assert found == set()


def test_events_cover_what_billing_listens_to(eventful: dict[str, Any]) -> None:
    kinds = {event["type"] for event in eventful["objects"]["event"]}
    wanted = {
        *(f"checkout.session.{name}" for name in ("completed", "expired")),
        *(f"checkout.session.async_payment_{name}" for name in ("succeeded", "failed")),
        *(f"charge.dispute.{name}" for name in ("created", "closed")),
        *(f"refund.{name}" for name in ("created", "updated", "failed")),
        *(f"customer.subscription.{name}" for name in ("created", "updated", "deleted")),
        *(f"customer.subscription.{name}" for name in ("paused", "resumed", "trial_will_end")),
        *(f"invoice.{name}" for name in ("paid", "payment_failed", "finalized")),
        "payment_intent.payment_failed",
        "charge.refunded",
    }
    assert wanted - kinds == set()


def test_a_name_that_the_sdk_does_not_know_is_found(eventful: dict[str, Any]) -> None:
    charge = eventful["objects"]["charge"][0]
    assert [*problems(charge | {"colour": "red"})] == ["Charge.colour: unknown"]
    assert [*problems(charge | {"amount": "12"})] == ["Charge.amount: '12' is no int"]
    assert [*problems(charge | {"status": "done"})] != []
    del charge["currency"]
    assert [*problems(charge)] == ["Charge.currency: missing"]


def test_older_versions_get_older_shapes(sim: Sim, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    shown = {
        version: sim.client(stripe_version=version).v1.subscriptions.retrieve(subscription.id).to_dict()
        for version in (CURRENT, PREVIOUS, PREVIOUS_MAJOR)
    }
    assert shown[CURRENT] == shown[PREVIOUS]
    assert shown[CURRENT].keys() - shown[PREVIOUS_MAJOR].keys() == {"status_details"}
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        sim.client(stripe_version="2001-01-01").v1.products.list()


def test_the_sdk_speaks_the_current_version(client: stripe.StripeClient) -> None:
    answer = client.v1.products.list().last_response
    assert answer is not None
    assert answer.headers is not None
    assert answer.headers["stripe-version"] == CURRENT
