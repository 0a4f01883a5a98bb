"""The edge as a process, Stripe's stand-in delivering to it: what is paid there is paid here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.edge.process import EdgeProcess
from tests.edge.till import Till, ok, problem
from tests.jobs.fixtures import queue
from tests.jobs.queueing import Queue
from tests.stripe_sim.process import KEY, SECRET, Sim
from tests.worker.process import eventually, worker

__all__ = ["queue"]

StartEdge = Callable[..., AbstractContextManager[EdgeProcess]]


@pytest.fixture
def edge(start_edge: StartEdge, sim: Sim) -> Iterator[EdgeProcess]:
    with start_edge() as running:
        sim.control("PUT", "webhook", {"url": f"{running.url}/webhooks/stripe", "secrets": [SECRET]})
        yield running


@pytest.fixture
def till(edge: EdgeProcess, world: World, auth: AuthServer, sim: Sim) -> Iterator[Till]:
    with httpx.Client(base_url=edge.url, timeout=20) as client:
        yield Till(client, world, auth, sim)


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def outcomes(sim: Sim) -> list[Any]:
    """How the edge answered each delivery."""
    return [delivery["status"] for delivery in sim.control("GET", "deliveries")["ended"]]


def test_an_order_that_is_paid_at_stripe_is_paid_here(till: Till, ada: Person, sim: Sim) -> None:
    sim.control("PUT", "adversary", {"seed": 1, "duplicate": 1.0, "reorder": 1.0})
    answer = ok(till.ask(ada, "checkout", till.order()))
    sim.press(answer["url"], method="succeed", email=ada.email)
    (order,) = till.orders(ada)
    assert order["status"] == "pending", "nothing was delivered yet"
    sim.flush(everything=True)
    (order,) = till.orders(ada)
    assert order["status"] == "paid"
    problem(till.ask(ada, f"orders/{answer['order_id']}/retry"), 409, "invalid_state")


def test_a_declined_card_leaves_the_page_open(till: Till, ada: Person, sim: Sim) -> None:
    answer = ok(till.ask(ada, "checkout", till.order()))
    sim.press(answer["url"], method="generic_decline", email=ada.email)
    sim.flush(everything=True)
    again = ok(till.ask(ada, f"orders/{answer['order_id']}/retry"))
    sim.press(again["url"], method="succeed", email=ada.email)
    sim.flush(everything=True)
    assert [order["status"] for order in till.orders(ada)] == ["paid"]
    assert len(till.made("customer")) == 1


def test_a_page_that_expired_makes_room_for_another(till: Till, ada: Person, sim: Sim) -> None:
    first = ok(till.ask(ada, "subscription", {"plan": "pro"}))
    sim.advance(seconds=25 * 3600)
    sim.flush(everything=True)
    second = ok(till.ask(ada, "subscription", {"plan": "pro"}))
    assert first != second
    assert [session["status"] for session in till.made("checkout.session")] == ["expired", "open"]


def test_whoever_subscribed_cannot_do_it_twice(till: Till, ada: Person, sim: Sim) -> None:
    page = ok(till.ask(ada, "subscription", {"plan": "pro"}))
    sim.press(page["url"], method="succeed", email=ada.email)
    sim.flush(everything=True)
    assert ada.row("select subscription_tier from profiles")["subscription_tier"] == "pro"
    problem(till.ask(ada, "subscription", {"plan": "pro"}), 409, "conflict")
    assert len(till.made("subscription")) == 1


def test_deliveries_go_on_while_the_secret_is_replaced(
    start_edge: StartEdge, world: World, auth: AuthServer, sim: Sim, ada: Person
) -> None:
    with (
        start_edge(STRIPE_WEBHOOK_SECRET=f"whsec_new,{SECRET}") as edge,
        httpx.Client(base_url=edge.url, timeout=20) as client,
    ):
        till = Till(client, world, auth, sim)
        sim.control(
            "PUT", "webhook", {"url": f"{edge.url}/webhooks/stripe", "secrets": ["whsec_other", "whsec_new"]}
        )
        page = ok(till.ask(ada, "checkout", till.order()))
        sim.press(page["url"], method="succeed", email=ada.email)
        sim.flush(everything=True)
        assert [order["status"] for order in till.orders(ada)] == ["paid"]
        assert set(outcomes(sim)) == {200}


def work(queue: Queue, sim: Sim) -> None:
    """Let a worker do all that waits, but for mail, which has nowhere to go."""

    def done() -> bool:
        return not queue.world.as_dba("select id from jobs.queue where starts_with(kind, 'billing.')")

    with worker(queue, "edge.worker", STRIPE_API_BASE=sim.url, STRIPE_SECRET_KEY=KEY):
        eventually(done, "jobs are left over")


def test_a_worker_fetches_what_was_never_delivered(till: Till, ada: Person, sim: Sim, queue: Queue) -> None:
    page = ok(till.ask(ada, "checkout", till.order()))
    sim.press(page["url"], method="succeed", email=ada.email)
    (session,) = till.made("checkout.session")
    for kind, id_ in [("checkout.session", session["id"]), ("payment_intent", session["payment_intent"])]:
        queue.stage("billing.refetch", {"object": kind, "id": id_})
    work(queue, sim)
    assert [order["status"] for order in till.orders(ada)] == ["paid"]


def test_who_is_gone_is_charged_no_more(
    till: Till, ada: Person, world: World, sim: Sim, queue: Queue
) -> None:
    """Their subscription ends at Stripe, and so does the page that they left open."""
    page = ok(till.ask(ada, "subscription", {"plan": "pro"}))
    sim.press(page["url"], method="succeed", email=ada.email)
    sim.flush(everything=True)
    ok(till.ask(ada, "checkout", till.order()))
    assert [each["status"] for each in till.made("subscription")] == ["active"]
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    work(queue, sim)
    assert [each["status"] for each in till.made("subscription")] == ["canceled"]
    assert [each["status"] for each in till.made("checkout.session")] == ["complete", "expired"]
    assert [row["status"] for row in world.as_dba("select status from subscriptions")] == ["canceled"]
