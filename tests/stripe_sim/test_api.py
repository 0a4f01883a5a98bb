"""The API's own rules: keys, parameters, pages, expansion, idempotency, outages."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
import stripe

from tests.stripe_sim.process import KEY, Sim, eventually
from tests.stripe_sim.shop import Shop


def post(sim: Sim, path: str, data: dict[str, Any], **headers: str) -> httpx.Response:
    """Without the SDK, to see the answer as it is."""
    return httpx.post(f"{sim.url}/v1/{path}", data=data, headers={"authorization": f"Bearer {KEY}"} | headers)


def test_the_key_is_asked_for(sim: Sim) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        sim.client("sk_test_wrong").v1.products.list()
    assert httpx.get(f"{sim.url}/v1/products").status_code == 401
    assert httpx.get(f"{sim.url}/v1/products", auth=(KEY, "")).status_code == 200


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"nam": "x"}, "nam", "parameter_unknown"),
        ({}, "name", "parameter_missing"),
        ({"name": ""}, "name", "parameter_invalid_empty"),
        ({"name": "x", "active": "maybe"}, "active", None),
        ({"name": "x", "default_price_data[currency]": "usd", "default_price_data[unit_amount]": "1.5"},
         "default_price_data[unit_amount]", "parameter_invalid_integer"),
        ({"name": "x", "default_price_data[unit_amount]": "1"},
         "default_price_data[currency]", "parameter_missing"),
    ],
)  # fmt: skip
def test_parameters_are_checked_by_name_and_type(
    sim: Sim, params: dict[str, str], param: str, code: str | None
) -> None:
    answer = post(sim, "products", params)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error.get("code") == code
    assert answer.headers["request-id"].startswith("req_")


def test_what_is_not_there(sim: Sim, client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as failure:
        client.v1.customers.retrieve("cus_nobody")
    assert (failure.value.http_status, failure.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.raw_request("get", "/v1/unicorns")
    for strange in ("a[b", "a" + "[b]" * 5000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        assert post(sim, "products", {strange: "x"}).status_code == 400


def test_metadata_is_merged_and_bounded(shop: Shop) -> None:
    customer = shop.customer(metadata={"a": "1", "b": "2"})
    changed = shop.v1.customers.update(customer.id, {"metadata": {"b": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    numbered = shop.v1.customers.update(customer.id, {"metadata": {"7": "seven"}}).metadata
    assert numbered is not None
    assert numbered.to_dict() == {"a": "1", "c": "3", "7": "seven"}
    cleared = shop.v1.customers.update(customer.id, {"metadata": ""})
    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}
    for wrong in ({"k" * 41: "v"}, {"k": "v" * 501}, {f"k{n}": "v" for n in range(51)}):
        with pytest.raises(stripe.InvalidRequestError, match="Metadata"):
            shop.v1.customers.update(customer.id, {"metadata": wrong})


def test_pages_follow_cursors_both_ways(shop: Shop) -> None:
    made = [shop.customer(email=f"{n}@example.com").id for n in range(7)][::-1]
    first = shop.v1.customers.list({"limit": 3})
    assert ([each.id for each in first.data], first.has_more) == (made[:3], True)
    second = shop.v1.customers.list({"limit": 3, "starting_after": made[2]})
    assert [each.id for each in second.data] == made[3:6]
    back = shop.v1.customers.list({"limit": 2, "ending_before": made[3]})
    assert ([each.id for each in back.data], back.has_more) == (made[1:3], True)
    assert [each.id for each in shop.v1.customers.list({"limit": 2}).auto_paging_iter()] == made
    assert len(shop.v1.customers.list({"email": "3@example.com"}).data) == 1
    for wrong in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_nobody"}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.v1.customers.list(wrong)  # type: ignore[arg-type]


def test_expansion_reaches_through_lists_and_references(shop: Shop) -> None:
    session = shop.purchase(customer_creation="always")
    paths = ["payment_intent.latest_charge.balance_transaction", "customer", "line_items.data.price.product"]
    shown = shop.v1.checkout.sessions.retrieve(session.id, {"expand": paths})
    assert isinstance(shown.payment_intent, stripe.PaymentIntent)
    assert isinstance(shown.payment_intent.latest_charge, stripe.Charge)
    assert isinstance(shown.payment_intent.latest_charge.balance_transaction, stripe.BalanceTransaction)
    assert isinstance(shown.customer, stripe.Customer)
    assert shown.line_items is not None
    price = shown.line_items.data[0].price
    assert price is not None
    assert isinstance(price.product, stripe.Product)
    listed = shop.v1.payment_intents.list({"expand": ["data.customer"]})
    assert isinstance(listed.data[0].customer, stripe.Customer)
    for wrong in ("nothing", "customer.nothing", "status"):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            shop.v1.checkout.sessions.retrieve(session.id, {"expand": [wrong]})


def test_a_repeated_request_gets_the_first_answer(sim: Sim, client: stripe.StripeClient) -> None:
    answers = [post(sim, "customers", {"email": "a@b.c"}, **{"idempotency-key": "k"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert "idempotent-replayed" not in answers[0].headers
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert answers[1].headers["original-request"] == answers[0].headers["request-id"]
    other = post(sim, "customers", {"email": "other@b.c"}, **{"idempotency-key": "k"})
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    elsewhere = post(
        sim, "customers", {"email": "a@b.c"}, **{"idempotency-key": "k", "stripe-account": "acct_2"}
    )
    assert elsewhere.json()["id"] != answers[0].json()["id"]
    assert len(client.v1.customers.list().data) == 2
    sim.advance(seconds=86_401)
    assert post(sim, "customers", {"email": "a@b.c"}, **{"idempotency-key": "k"}).json() != answers[0].json()


def test_failures_are_kept_for_the_key_unless_nothing_was_begun(shop: Shop) -> None:
    charge = shop.charge_of(shop.purchase())
    options: Any = {"idempotency_key": "r"}
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError, match="greater than"):
            shop.v1.refunds.create({"charge": charge.id, "amount": 9999}, options)
    misspelt: Any = {"charge": charge.id, "amnt": 1}
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
        shop.v1.refunds.create(misspelt, {"idempotency_key": "s"})
    assert shop.v1.refunds.create({"charge": charge.id, "amount": 1}, {"idempotency_key": "s"}).amount == 1


def test_a_twin_is_refused_while_the_first_is_under_way(sim: Sim, client: stripe.StripeClient) -> None:
    sim.control("POST", "faults", {"how": "hang", "path": "/v1/customers"})
    answers: list[httpx.Response] = []
    headers = {"idempotency-key": "twin"}
    first = threading.Thread(target=lambda: answers.append(post(sim, "customers", {}, **headers)))
    first.start()
    eventually(lambda: sim.state()["hanging"] == 1)
    twin = post(sim, "customers", {}, **headers)
    assert (twin.status_code, twin.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    sim.control("POST", "faults/clear")
    first.join()
    assert answers[0].status_code == 200
    assert len(client.v1.customers.list().data) == 1


def test_rate_limits_and_outages_on_demand(sim: Sim, client: stripe.StripeClient) -> None:
    sim.control("POST", "faults", {"how": "rate_limit", "times": 2})
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.list()
    sim.control("POST", "faults", {"how": "unavailable", "method": "POST"})
    client.v1.customers.list()
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({}, {"idempotency_key": "u"})
    assert client.v1.customers.create({}, {"idempotency_key": "u"}).id
    sim.control("POST", "faults", {"how": "error"})
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.customers.create({}, {"idempotency_key": "e"})
    assert len(client.v1.customers.list().data) == 1


def test_a_lost_answer_is_found_again_with_its_key(sim: Sim) -> None:
    sim.control("POST", "faults", {"how": "lost"})
    persistent = sim.client(max_network_retries=2)
    customer = persistent.v1.customers.create({"email": "once@example.com"})
    assert [each.id for each in persistent.v1.customers.list().data] == [customer.id]


def test_deleted_products_and_prices_that_stay(shop: Shop) -> None:
    product = shop.v1.products.create(
        {"name": "Mug", "default_price_data": {"currency": "usd", "unit_amount": 900}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        shop.v1.products.delete(product.id)
    bare = shop.v1.products.create({"name": "Nothing"})
    assert shop.v1.products.delete(bare.id).deleted
    assert [each.id for each in shop.v1.products.list().data] == [product.id]
    key = shop.price(lookup_key="pro")
    with pytest.raises(stripe.InvalidRequestError, match="lookup key"):
        shop.price(lookup_key="pro")
    assert [each.id for each in shop.v1.prices.list({"lookup_keys": ["pro"]}).data] == [key.id]


def test_events_are_listed_filtered_and_forgotten_after_a_month(sim: Sim, shop: Shop) -> None:
    customer = shop.customer()
    (event,) = shop.v1.events.list({"type": "customer.*"}).data
    assert event.data.object["id"] == customer.id
    assert event.request is not None
    assert event.request.id is not None
    assert event.request.id.startswith("req_")
    shop.v1.customers.update(customer.id, {"name": "Ada"})
    (changed,) = shop.v1.events.list({"types": ["customer.updated"]}).data
    assert changed.to_dict()["data"]["previous_attributes"] == {"name": None}
    assert shop.v1.events.retrieve(changed.id).type == "customer.updated"
    assert shop.v1.events.list({"created": {"gt": event.created}}).data == []
    sim.advance(seconds=30 * 86_400 + 1)
    assert shop.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        shop.v1.events.retrieve(changed.id)


def test_what_the_simulator_is_asked_wrongly_it_refuses(sim: Sim) -> None:
    for path, body in (("adversary", {"chaos": 1}), ("webhook", {"url": 5})):
        assert httpx.put(f"{sim.url}/_sim/{path}", json=body).status_code == 400
    assert httpx.post(f"{sim.url}/_sim/clock", json={"seconds": -1}).status_code == 400
