"""Webhooks: signed, repeated until they arrive, and what the adversary does to them."""

from __future__ import annotations

import time
from typing import Any

import pytest
import stripe

from scripts.stripe_sim.signature import sign
from scripts.stripe_sim.versions import PREVIOUS_MAJOR
from tests.stripe_sim.process import SECRET, Sim
from tests.stripe_sim.receiver import Receiver
from tests.stripe_sim.shop import Shop

HOUR = 3600


def buy(shop: Shop, count: int = 3) -> None:
    for _ in range(count):
        shop.purchase()


def history(sim: Sim) -> list[str]:
    """The ids of all events, in the order in which they happened."""
    return [event["id"] for event in sim.state()["objects"]["event"]]


def test_every_event_arrives_once_signed_and_in_order(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    buy(shop)
    assert receiver.bodies == []
    made = sim.flush()
    assert receiver.ids == history(sim)
    assert made == {"delivered": len(receiver.ids), "pending": 0}
    body = receiver.bodies[-1]
    assert (body["object"], body["pending_webhooks"]) == ("event", 1)
    assert body["data"]["object"]["payment_status"] == "paid"
    assert shop.v1.events.retrieve(body["id"]).pending_webhooks == 0


def test_an_event_shows_its_object_as_it_was_then(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    customer = shop.customer(name="Ada")
    shop.v1.customers.update(customer.id, {"name": "Grace"})
    sim.flush()
    assert [body["data"]["object"]["name"] for body in receiver.bodies] == ["Ada", "Grace"]


def test_without_being_held_events_go_out_by_themselves(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    sim.control("PUT", "webhook", {"hold": False})
    buy(shop, 1)
    receiver.wait_for(6)
    assert receiver.ids == history(sim)


def test_a_failed_delivery_is_repeated_later_with_the_same_body(
    sim: Sim, shop: Shop, receiver: Receiver
) -> None:
    receiver.answers.extend([500, 302])
    shop.customer()
    assert sim.flush()["pending"] == 1
    assert sim.flush()["delivered"] == 0
    sim.advance(seconds=5)
    assert sim.flush() == {"delivered": 1, "pending": 1}
    assert sim.flush(everything=True) == {"delivered": 1, "pending": 0}
    assert receiver.bodies[0] == receiver.bodies[1] == receiver.bodies[2]


def test_after_three_days_it_is_given_up_and_found_among_the_events(
    sim: Sim, shop: Shop, receiver: Receiver
) -> None:
    receiver.answers.extend([500] * 100)
    shop.customer()
    while sim.flush(everything=True)["pending"]:
        pass
    ended = sim.control("GET", "deliveries")["ended"]
    assert [(each["outcome"], each["attempt"]) for each in ended] == [("given_up", 13)]
    assert len(shop.v1.events.list({"delivery_success": False}).data) == 1
    receiver.answers.clear()
    sim.control("POST", "deliveries/resend", {"event": receiver.ids[0]})
    sim.flush()
    assert receiver.ids == [receiver.ids[0]] * 14


def test_an_address_that_is_none_is_no_end(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    for url in ("http://127.0.0.1:1/webhooks", "http://[", "nowhere"):
        sim.control("PUT", "webhook", {"url": url})
        shop.customer()
        assert sim.flush(everything=True)["pending"]
    sim.control("PUT", "webhook", {"url": receiver.url})
    assert sim.flush(everything=True)["pending"] == 0
    assert receiver.types == ["customer.created"] * 3


def test_two_secrets_sign_while_one_replaces_the_other(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    sim.control("PUT", "webhook", {"secrets": ["whsec_new", SECRET]})
    shop.customer()
    sim.flush()
    receiver.secret = "whsec_new"
    shop.customer()
    assert sim.flush()["pending"] == 0
    receiver.secret = "whsec_other"
    shop.customer()
    assert sim.flush()["pending"] == 1
    assert [header.count("v1=") for header in receiver.headers] == [2, 2]


def test_a_changed_body_does_not_fit_its_signature() -> None:
    now = int(time.time())
    header = sign(b'{"id":"evt_1"}', ["whsec_test"], now)
    assert stripe.WebhookSignature.verify_header('{"id":"evt_1"}', header, "whsec_test", 300)
    for body, secret in (("{}", "whsec_test"), ('{"id":"evt_1"}', "whsec_other")):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(body, header, secret, 300)


def test_the_endpoint_chooses_version_and_events(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    events = ["customer.subscription.created", "invoice.paid"]
    sim.control("PUT", "webhook", {"api_version": PREVIOUS_MAJOR, "events": events})
    shop.subscribe()
    sim.flush()
    assert receiver.types == events
    assert {body["api_version"] for body in receiver.bodies} == {PREVIOUS_MAJOR}
    assert "status_details" not in receiver.bodies[0]["data"]["object"]


def deliver(sim: Sim, shop: Shop, receiver: Receiver, **adversary: Any) -> list[str]:
    """What arrives of three purchases."""
    sim.control("PUT", "adversary", {"seed": 7, **adversary})
    buy(shop)
    sim.flush()
    return receiver.ids


def test_duplicates(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    ids = deliver(sim, shop, receiver, duplicate=0.5)
    assert len(ids) > len(set(ids))
    assert set(ids) == set(history(sim))


def test_reordering(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    ids = deliver(sim, shop, receiver, reorder=4)
    happened = history(sim)
    assert ids != happened
    assert sorted(ids) == sorted(happened)
    shifts = [abs(ids.index(id_) - happened.index(id_)) for id_ in happened]
    assert 1 <= max(shifts) <= 5


def test_events_of_the_same_second(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    sim.control("PUT", "adversary", {"same_second": HOUR})
    buy(shop, 1)
    sim.advance(seconds=30)
    buy(shop, 1)
    sim.flush()
    assert len(receiver.ids) == 12
    assert len({body["created"] for body in receiver.bodies}) == 1


def test_delays(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    ids = [*deliver(sim, shop, receiver, delay=0.5, delay_seconds=HOUR)]
    assert 0 < len(ids) < len(history(sim))
    sim.advance(seconds=HOUR)
    sim.flush()
    assert sorted(receiver.ids) == sorted(history(sim))
    assert receiver.ids != history(sim)


def test_losses_are_found_among_the_events(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    ids = deliver(sim, shop, receiver, drop=0.4)
    assert 0 < len(ids) < len(history(sim))
    assert sim.flush(everything=True)["delivered"] == 0
    listed = shop.v1.events.list({"limit": 100}).data
    assert [event.id for event in listed][::-1] == history(sim)


def test_lost_answers_make_stripe_repeat_what_arrived(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    first = [*deliver(sim, shop, receiver, fail=0.5)]
    assert sorted(first) == sorted(history(sim))
    again = sim.flush(everything=True)["delivered"]
    assert 0 < again < len(first)
    assert sim.flush(everything=True)["pending"] == 0


def test_parallel_deliveries(sim: Sim, shop: Shop, receiver: Receiver) -> None:
    receiver.together = 4
    deliver(sim, shop, receiver, parallel=4)
    assert receiver.most_at_once == 4


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_does_the_same_again(sim: Sim, shop: Shop, receiver: Receiver, seed: int) -> None:
    chaos = {"duplicate": 0.4, "reorder": 5, "delay": 0.2, "drop": 0.1, "fail": 0.2, "same_second": 60}
    runs = []
    for chosen in (seed, seed, seed + 1):
        sim.reset("the same")
        sim.control("PUT", "webhook", {"url": receiver.url, "hold": True})
        sim.control("PUT", "adversary", {"seed": chosen, **chaos})
        receiver.bodies.clear()
        buy(shop)
        sim.flush()
        sim.advance(seconds=2 * HOUR)
        sim.flush()
        runs.append([(body["id"], body["created"], body["type"]) for body in receiver.bodies])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
