"""Stripe or the edge fails: whoever asks again gets one order, one page, one customer."""

from __future__ import annotations

import io
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import stripe
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.billing import stripe_api
from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.edge.doomed_edge import STEPS
from tests.edge.process import EdgeProcess
from tests.edge.till import Till, ok, problem
from tests.stripe_sim.process import Sim

CUSTOMERS, SESSIONS = "/v1/customers", "/v1/checkout/sessions"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_api, "ATTEMPT_TIMEOUT", 0.3)
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


@pytest.fixture
def till(
    client: TestClient[ASGIApp], world: World, auth: AuthServer, sim: Sim, log: io.StringIO
) -> Iterator[Till]:
    yield Till(client, world, auth, sim)
    print(log.getvalue())


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def order_fault(sim: Sim, how: str, path: str, times: int = 1000) -> None:
    sim.control("POST", "faults", {"how": how, "path": path, "method": "POST", "times": times})


def one_of_each(till: Till, ada: Person) -> None:
    assert len(till.orders(ada)) == len(till.made("checkout.session")) == len(till.made("customer")) == 1


@pytest.mark.parametrize("path", [CUSTOMERS, SESSIONS])
def test_an_outage_leaves_nothing_half_done(till: Till, ada: Person, sim: Sim, path: str) -> None:
    body = till.order(idempotency_key="cart-1")
    for how in ("rate_limit", "unavailable", "lost", "hang"):
        order_fault(sim, how, path)
        told = problem(till.ask(ada, "checkout", body), 503, "provider_unavailable")
        sim.control("POST", "faults/clear")
        (order,) = till.orders(ada)
        assert (order["id"], order["status"]) == (told["order_id"], "pending")
    answer = ok(till.ask(ada, "checkout", body))
    assert answer["order_id"] == told["order_id"]
    one_of_each(till, ada)


def test_without_a_key_the_order_in_the_error_leads_on(till: Till, ada: Person, sim: Sim) -> None:
    order_fault(sim, "lost", SESSIONS)
    told = problem(till.ask(ada, "checkout", till.order()), 503, "provider_unavailable")
    sim.control("POST", "faults/clear")
    answer = ok(till.ask(ada, f"orders/{told['order_id']}/retry"))
    assert answer["url"] == till.made("checkout.session")[0]["url"]
    one_of_each(till, ada)


@pytest.mark.parametrize("how", ["unavailable", "lost", "hang"])
def test_a_moment_of_trouble_is_not_even_noticed(till: Till, ada: Person, sim: Sim, how: str) -> None:
    for path in (CUSTOMERS, SESSIONS):
        order_fault(sim, how, path, times=1)
    if how == "hang":  # its key is in use until the answer is out
        problem(till.ask(ada, "checkout", till.order(idempotency_key="cart-1")), 503, "provider_unavailable")
        sim.control("POST", "faults/clear")
    ok(till.ask(ada, "checkout", till.order(idempotency_key="cart-1")))
    one_of_each(till, ada)


@pytest.mark.parametrize("path", [CUSTOMERS, SESSIONS])
def test_a_fault_that_stripe_remembers_does_not_keep_people_from_paying(
    till: Till, ada: Person, sim: Sim, path: str
) -> None:
    order_fault(sim, "error", path, times=1)
    body = till.order(idempotency_key="cart-1")
    told = problem(till.ask(ada, "checkout", body), 503, "provider_unavailable")
    for _ in range(3):
        answer = till.ask(ada, "checkout", body)
        if answer.status_code == 200:
            break
    assert ok(answer)["order_id"] == told["order_id"]
    one_of_each(till, ada)


def test_a_subscription_survives_lost_answers_too(till: Till, ada: Person, sim: Sim) -> None:
    for path in (CUSTOMERS, SESSIONS):
        order_fault(sim, "lost", path, times=3)
        problem(till.ask(ada, "subscription", {"plan": "pro"}), 503, "provider_unavailable")
    answer = ok(till.ask(ada, "subscription", {"plan": "pro"}))
    (session,) = till.made("checkout.session")
    assert answer["url"] == session["url"]
    assert len(till.made("customer")) == 1


def test_the_portal_says_that_stripe_does_not_answer(till: Till, ada: Person, sim: Sim) -> None:
    order_fault(sim, "unavailable", "/v1/billing_portal")
    problem(till.ask(ada, "billing-portal"), 503, "provider_unavailable")


class TestWithAKeyThatStripeDoesNotKnow:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "STRIPE_SECRET_KEY": "sk_test_of_somebody_else"}

    def test_operators_are_told_and_clients_only_that_it_is_not_their_fault(
        self, till: Till, ada: Person, log: io.StringIO
    ) -> None:
        answer = till.ask(ada, "checkout", till.order())
        problem(answer, 503, "provider_unavailable")
        assert "sk_test" not in answer.text
        assert '"event":"not_allowed"' in log.getvalue()
        assert "sk_test_of_somebody_else" not in log.getvalue()


class TestWithAServerThatNeverAnswers:
    @pytest.fixture
    def stripe_api_base(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}"

    def test_the_request_ends_in_time(self, till: Till, ada: Person, monkeypatch: Any) -> None:
        monkeypatch.setattr(stripe_api, "CALL_TIMEOUT", 0.5)
        problem(till.ask(ada, "checkout", till.order()), 503, "provider_unavailable")


@dataclass
class Crash:
    """An edge that is killed, and a sound one that is asked the same afterwards."""

    start_edge: Callable[..., AbstractContextManager[EdgeProcess]]
    till: Till
    ada: Person

    def survives(self, route: str, **doom: str) -> None:
        sound, body = self.till.client, {"plan": "pro"}
        if route == "checkout":
            body = self.till.order(idempotency_key="cart-1")
        with self.start_edge(module="tests.edge.doomed_edge", **doom) as doomed:
            self.till.client = httpx.Client(base_url=doomed.url, timeout=20)
            with pytest.raises(httpx.TransportError):
                self.till.ask(self.ada, route, body)
            assert doomed.process.wait(20) == -signal.SIGKILL
        self.till.client = sound
        answer = ok(self.till.ask(self.ada, route, body))
        assert ok(self.till.ask(self.ada, route, body)) == answer
        sessions = self.till.made("checkout.session")
        assert [session["url"] for session in sessions] == [answer["url"]], "another session"
        assert len(self.till.made("customer")) == 1
        assert len(self.till.orders(self.ada)) == (1 if route == "checkout" else 0)


@pytest.fixture
def crash(start_edge: Callable[..., AbstractContextManager[EdgeProcess]], till: Till, ada: Person) -> Crash:
    return Crash(start_edge, till, ada)


@pytest.mark.parametrize(
    ("route", "step"), [*(("checkout", step) for step in STEPS), ("subscription", "after_session")]
)
def test_a_checkout_survives_the_edge(crash: Crash, route: str, step: str) -> None:
    """Killed at any step, it makes nobody pay twice: the same request goes on where the dead one stopped."""
    crash.survives(route, DOOM=step)


def test_an_edge_that_takes_a_new_key_for_each_call_is_caught(crash: Crash) -> None:
    with pytest.raises(AssertionError, match="another session"):
        crash.survives("checkout", DOOM="after_session", KEYS="new")
