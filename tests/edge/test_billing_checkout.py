"""From the app to Stripe's page: orders, second attempts, subscriptions, the portal."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.edge.till import Till, ok, problem
from tests.identity.organizations import found
from tests.stripe_sim.process import Sim


@pytest.fixture
def till(
    client: TestClient[ASGIApp], world: World, auth: AuthServer, sim: Sim, log: io.StringIO
) -> Iterator[Till]:
    yield Till(client, world, auth, sim)
    print(log.getvalue())


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def test_an_order_gets_a_page_where_it_is_paid(till: Till, ada: Person) -> None:
    answer = ok(till.ask(ada, "checkout", till.order()))
    (session,) = till.made("checkout.session")
    (customer,) = till.made("customer")
    assert answer == {"order_id": answer["order_id"], "url": session["url"]}
    assert till.orders(ada) == [{"id": answer["order_id"], "status": "pending", "total": 4000}]
    assert (session["mode"], session["customer"]) == ("payment", customer["id"])
    assert (session["amount_total"], session["currency"]) == (4000, "usd")
    assert session["client_reference_id"] == answer["order_id"]
    assert session["metadata"]["order_id"] == answer["order_id"]
    assert session["success_url"] == f"https://app.example/orders/{answer['order_id']}?checkout=success"
    assert session["cancel_url"] == f"https://app.example/orders/{answer['order_id']}?checkout=canceled"
    assert customer["email"] == ada.email


def test_people_come_back_to_where_the_app_wants_them(till: Till, ada: Person) -> None:
    urls: dict[str, Any] = {
        "success_url": "https://app.example/thanks?order={ORDER_ID}&s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://app.example/cart",
    }
    order_id = ok(till.ask(ada, "checkout", till.order(**urls)))["order_id"]
    (session,) = till.made("checkout.session")
    assert session["success_url"] == f"https://app.example/thanks?order={order_id}&s={{CHECKOUT_SESSION_ID}}"
    assert session["cancel_url"] == "https://app.example/cart"


def test_nobody_is_sent_anywhere_else(till: Till, ada: Person) -> None:
    evil = "https://app.example.evil.example/"
    for body in (till.order(success_url=evil), till.order(cancel_url=evil)):
        assert problem(till.ask(ada, "checkout", body), 422, "validation_failed")["field"] in body
    problem(till.ask(ada, "subscription", {"plan": "pro", "success_url": evil}), 422, "validation_failed")
    problem(till.ask(ada, "billing-portal", {"return_url": evil}), 422, "validation_failed")
    assert till.orders(ada) == []
    assert till.made("customer") == till.made("checkout.session") == []


def test_a_repetition_with_the_same_key_goes_on_with_the_same_order(till: Till, ada: Person) -> None:
    answers = [ok(till.ask(ada, "checkout", till.order(idempotency_key="cart-1"))) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert len(till.orders(ada)) == len(till.made("checkout.session")) == len(till.made("customer")) == 1
    another = till.order(quantity=3, idempotency_key="cart-1")
    problem(till.ask(ada, "checkout", another), 409, "conflict")
    ok(till.ask(ada, "checkout", till.order(idempotency_key="cart-2")))
    assert len(till.made("customer")) == 1


def test_parallel_repetitions_make_one_order(till: Till, ada: Person) -> None:
    body = till.order(idempotency_key="cart-1")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ok(till.ask(ada, "checkout", body)), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(till.orders(ada)) == len(till.made("checkout.session")) == len(till.made("customer")) == 1


PRICE = "0b9f6d1e-6c1a-4a55-9a3c-6f2f6d1f0f3a"


MALFORMED_ORDERS: Sequence[Any] = (
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff",
    b"[" * 200_000,
    b'{"items":' + b"[" * 200_000,
    b'{"x":' * 100_000,
    {},
    {"items": []},
    {"items": [{"price_id": PRICE, "quantity": 1}] * 101},
    {"items": [{"price_id": PRICE}]},
    {"items": [{"price_id": "mug", "quantity": 1}]},
    {"items": [{"price_id": PRICE, "quantity": 0}]},
    {"items": [{"price_id": PRICE, "quantity": -1}]},
    {"items": [{"price_id": PRICE, "quantity": 10_001}]},
    {"items": [{"price_id": PRICE, "quantity": 1.5}]},
    f'{{"items": [{{"price_id": "{PRICE}", "quantity": 1{"0" * 400}}}]}}'.encode(),
    {"items": [{"price_id": PRICE, "quantity": 1, "unit_amount": 1}]},
    {"items": [{"price_id": PRICE, "quantity": 1}], "currency": "USD"},
    {"items": [{"price_id": PRICE, "quantity": 1}], "idempotency_key": ""},
    {"items": [{"price_id": PRICE, "quantity": 1}], "idempotency_key": "x" * 201},
    {"items": [{"price_id": PRICE, "quantity": 1}], "idempotency_key": "a\0b"},
    {"items": [{"price_id": PRICE, "quantity": 1}], "success_url": "https://app.example/\0"},
    {"items": [{"price_id": PRICE, "quantity": 1}], "success_url": "https://app.example/" + "a" * 2000},
)


def test_a_malformed_order_is_refused_with_a_type(till: Till, ada: Person) -> None:
    for body in MALFORMED_ORDERS:
        problem(till.ask(ada, "checkout", body), 422, "validation_failed")
    assert till.orders(ada) == till.made("customer") == []


MALFORMED_REQUESTS: Sequence[tuple[str, Any]] = (
    ("subscription", b""),
    ("subscription", {}),
    ("subscription", {"plan": ""}),
    ("subscription", {"plan": "a\0b"}),
    ("subscription", {"plan": "platinum"}),
    ("subscription", {"plan": "free"}),
    ("subscription", {"plan": "pro", "organization_id": "mine"}),
    ("subscription", {"plan": "pro", "price": 1}),
    ("billing-portal", {"organization_id": "mine"}),
    ("billing-portal", {"customer": "cus_1"}),
    ("billing-portal", []),
)


def test_so_is_what_asks_for_nothing_that_there_is(till: Till, ada: Person) -> None:
    for route, body in MALFORMED_REQUESTS:
        problem(till.ask(ada, route, body), 422, "validation_failed")
    problem(till.ask(ada, "orders/7/retry"), 404, "not_found")
    assert till.made("customer") == []


def test_what_is_not_for_sale_is_not_found(till: Till, ada: Person) -> None:
    order = {"items": [{"price_id": str(uuid.uuid4()), "quantity": 1}]}
    problem(till.ask(ada, "checkout", order), 404, "not_found")


def test_nobody_else_can_try_to_pay_an_order(till: Till, ada: Person, world: World) -> None:
    order_id = ok(till.ask(ada, "checkout", till.order()))["order_id"]
    problem(till.ask(world.person("eve"), f"orders/{order_id}/retry"), 404, "not_found")
    problem(till.ask(ada, f"orders/{uuid.uuid4()}/retry"), 404, "not_found")
    assert len(till.made("checkout.session")) == 1


def test_an_open_page_is_found_again_by_its_order(till: Till, ada: Person) -> None:
    answer = ok(till.ask(ada, "checkout", till.order()))
    assert ok(till.ask(ada, f"orders/{answer['order_id']}/retry")) == answer
    assert len(till.made("checkout.session")) == 1


def test_a_purchase_that_stripe_refuses_fails_and_can_be_tried_again(till: Till, ada: Person) -> None:
    """Below what cards can be charged."""
    told = problem(till.ask(ada, "checkout", till.order(amount=1)), 422, "validation_failed")
    assert till.orders(ada) == [{"id": told["order_id"], "status": "failed", "total": 2}]
    again = till.ask(ada, f"orders/{told['order_id']}/retry")
    assert problem(again, 422, "validation_failed")["order_id"] == told["order_id"]
    assert till.made("checkout.session") == []
    assert len(till.made("customer")) == 1


def test_a_subscription_gets_one_page_however_often_it_is_asked_for(till: Till, ada: Person) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = threads.map(lambda _: ok(till.ask(ada, "subscription", {"plan": "pro"})), range(20))
    (session,) = till.made("checkout.session")
    assert {answer["url"] for answer in answers} == {session["url"]}
    assert (session["mode"], session["amount_total"]) == ("subscription", 1900)
    assert session["success_url"] == "https://app.example/billing?checkout=success"
    assert len(till.made("customer")) == 1


def test_an_organization_subscribes_through_its_admins(till: Till, ada: Person, world: World) -> None:
    acme = str(found(ada))
    eve = world.person("eve")
    body = {"plan": "pro", "organization_id": acme}
    assert till.ask(eve, "subscription", body).status_code in (403, 404)
    assert till.ask(eve, "billing-portal", {"organization_id": acme}).status_code in (403, 404)
    ok(till.ask(ada, "subscription", body))
    ok(till.ask(ada, "subscription", {"plan": "pro"}))
    assert len(till.made("customer")) == len(till.made("checkout.session")) == 2


def test_the_portal_is_the_customers_own(till: Till, ada: Person, world: World) -> None:
    bob = world.person("bob")
    for person in (ada, bob):
        url = ok(till.ask(person, "billing-portal"))["url"]
        assert url.startswith(f"{till.sim.url}/p/session/")
    ok(till.ask(ada, "billing-portal", {"return_url": "https://app.example/settings"}))
    assert sorted(customer["email"] for customer in till.made("customer")) == [ada.email, bob.email]


def test_whoever_is_gone_or_never_was_pays_nothing(till: Till, world: World) -> None:
    gone = world.person("gone")
    world.as_auth_service("delete from auth.users where id = %s", gone.id)
    routes = {
        "checkout": till.order(),
        "subscription": {"plan": "pro"},
        "billing-portal": None,
        f"orders/{PRICE}/retry": None,
    }
    for route, body in routes.items():
        for person in (gone.id, uuid.uuid4()):
            answer = till.ask(person, route, body)
            assert 400 <= answer.status_code < 500, answer.text
    assert till.made("customer") == []
