"""Whatever is asked of checkout and subscription is served or refused in a typed way."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.acting import Row, refused
from tests.billing.shop import START_CHECKOUT, START_SUBSCRIPTION, URLS, Shop
from tests.identity.organizations import found, join

NOBODY = str(uuid.UUID(int=0))
PRICE = "the price"
"""Stands for one that is for sale."""


def _untouched(shop: Shop) -> None:
    (counts,) = shop.world.as_dba(
        "select (select count(*) from public.orders) as orders,"
        " (select count(*) from billing.checkouts) as c,"
        " (select count(*) from core.idempotency_keys) as keys, (select count(*) from jobs.queue) as jobs"
    )
    assert counts == {"orders": 0, "c": 0, "keys": 0, "jobs": 0}


def _item(quantity: object = 1, price_id: object = PRICE, **more: object) -> Row:
    return {"price_id": price_id, "quantity": quantity, **more}


NO_ITEMS: list[tuple[object, str]] = [
        (None, "items"),
        ("null", "items"),
        ({}, "items"),
        ("gear", "items"),
        (7, "items"),
        ([], "items"),
        ([_item()] * 101, "items"),
        ([None], "items"),
        (["gear"], "items"),
        ([[_item()]], "items"),
        ([{"quantity": 1}], "price_id"),
        ([_item(price_id=None)], "price_id"),
        ([_item(price_id=7)], "price_id"),
        ([_item(price_id=["x"])], "price_id"),
        ([_item(price_id="' or true --")], "price_id"),
        ([_item(price_id="")], "price_id"),
        ([{"price_id": PRICE}], "quantity"),
        *(
            ([_item(quantity)], "quantity")
            for quantity in (
                None, 0, -1, 1.5, 10_001, 2**31, 2**63, 10**30, "1", "NaN", "Infinity", True, [1], {"n": 1},
            )
        ),
        ([_item(), _item(-1)], "quantity"),
        ([_item(10_000)] * 100, "items"),
]  # fmt: skip


def test_items_that_are_none(shop: Shop, subtests: pytest.Subtests) -> None:
    ada, price = shop.world.person("ada"), str(shop.price())
    for items, field in NO_ITEMS:
        given = None if items is None else json.dumps(items).replace(PRICE, price)
        with subtests.test(str(given)[:80]), refused("validation_failed", field=field):
            ada.rows(START_CHECKOUT, given, *URLS, "a key")
    _untouched(shop)


NO_URLS = (
    None, "", "ftp://shop.example/", "javascript:alert(1)", "https://", "https://shop.example/a b",
     "https://shop.example/\n", "//shop.example", "https://shop.example/" + "x" * 2000, " https://shop.example",
)  # fmt: skip


def test_urls_that_lead_nowhere(shop: Shop, subtests: pytest.Subtests) -> None:
    ada = shop.world.person("ada")
    items = json.dumps([_item(price_id=str(shop.price()))])
    for url in NO_URLS:
        for place, urls in (("success_url", (url, URLS[1])), ("cancel_url", (URLS[0], url))):
            with subtests.test(f"{place} {url}"), refused("validation_failed", field=place):
                ada.rows(START_CHECKOUT, items, *urls, None)
            with subtests.test(f"{place} {url}"), refused("validation_failed", field=place):
                ada.rows(START_SUBSCRIPTION, "pro", None, *urls)
    _untouched(shop)


def test_idempotency_keys_that_are_none(shop: Shop, subtests: pytest.Subtests) -> None:
    ada, items = shop.world.person("ada"), [_item(price_id=str(shop.price()))]
    for key in ("", " ", "a\nb", "x" * 201):
        with subtests.test(key), refused("validation_failed", field="idempotency_key"):
            shop.start(ada, items, key)
    _untouched(shop)


def test_what_is_not_for_sale_is_not_sold(shop: Shop, subtests: pytest.Subtests) -> None:
    ada = shop.world.person("ada")
    sold = _item(price_id=str(shop.price()))
    unsold = {
        "an unknown price": NOBODY,
        "an archived price": shop.price(archived="price"),
        "a price of an archived product": shop.price(archived="product"),
        "a recurring price": shop.price(recurring="month"),
    }
    for what, price in unsold.items():
        for items in ([_item(price_id=str(price))], [sold, _item(price_id=str(price))]):
            with subtests.test(what), refused("not_found", field="price_id"):
                shop.start(ada, items)
    with refused("validation_failed", field="items"):
        shop.start(ada, [sold, _item(price_id=str(shop.price(currency="EUR")))])
    _untouched(shop)


def test_the_price_is_the_catalogues_whatever_a_client_says(shop: Shop) -> None:
    ada = shop.world.person("ada")
    price = str(shop.price(2000))
    lie = {"unit_amount": 1, "amount": 1, "currency": "JPY", "name": "Free", "user_id": NOBODY}
    checkout = shop.start(ada, [_item(3, price, **lie), _item(1, price)])
    assert [(line["unit_amount"], line["quantity"]) for line in checkout["lines"]] == [(2000, 3), (2000, 1)]
    order = ada.row("select total, currency, user_id from orders")
    assert order == {"total": 8000, "currency": "USD", "user_id": ada.id}
    assert str(order["user_id"]) not in json.dumps(checkout["lines"])


def test_the_most_that_one_can_buy(shop: Shop) -> None:
    """A hundred lines, and the highest total that Stripe takes; one unit more is refused."""
    ada = shop.world.person("ada")
    cheap, dear = str(shop.price(1)), str(shop.price(99_999_999))
    assert len(shop.start(ada, [_item(1, cheap)] * 100)["lines"]) == 100
    assert shop.start(ada, [_item(1, dear)])["lines"][0]["unit_amount"] == 99_999_999
    with refused("validation_failed", field="items"):
        shop.start(ada, [_item(1, dear), _item(1, cheap)])


def test_plans_that_nobody_can_subscribe_to(shop: Shop, subtests: pytest.Subtests) -> None:
    ada = shop.world.person("ada")
    for plan in (None, "", "free", "gold", "Pro", "pro'--"):
        with subtests.test(str(plan)), refused("validation_failed", field="plan"):
            ada.rows(START_SUBSCRIPTION, plan, None, *URLS)
    _untouched(shop)


def test_only_who_administers_an_organization_pays_for_it(shop: Shop) -> None:
    owner, admin, member, stranger = map(shop.world.person, ("owner", "admin", "member", "stranger"))
    organization = found(owner)
    join(owner, organization, admin, "admin")
    join(owner, organization, member, "member")
    for person, code in ((member, "forbidden"), (stranger, "not_found")):
        with refused(code):
            shop.start_subscription(person, organization)
        with refused(code):
            person.rows("select edge.billing_customer(%s)", organization)
    with refused("not_found"):
        stranger.rows("select edge.billing_customer(%s)", NOBODY)
    assert shop.world.as_dba("select * from billing.customers") == []
    first = shop.start_subscription(admin, organization)
    assert shop.start_subscription(owner, organization)["checkout_id"] == first["checkout_id"]
    join(owner, organization, stranger, "member")
    with refused("forbidden"):
        shop.start_subscription(stranger, organization)


def test_who_is_gone_or_never_was_buys_nothing(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.order(ada)
    shop.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    items = json.dumps([_item(price_id=str(shop.price()))])
    with refused("not_authenticated"):
        ada.rows(START_CHECKOUT, items, *URLS, None)
    with refused("not_authenticated"):
        shop.start_subscription(ada)
    with refused("not_authenticated"):
        ada.rows("select edge.retry_order(%s)", purchase.order_id)
    with refused("not_authenticated"):
        ada.rows("select edge.billing_customer()")


def test_who_has_no_address_is_told_so(shop: Shop) -> None:
    ada = shop.world.person("ada")
    shop.world.as_dba("update public.profiles set email = null where id = %s", ada.id)
    with refused("invalid_state", rule="a_customer_has_an_address"):
        shop.start(ada, [_item(price_id=str(shop.price()))])
    _untouched(shop)


def test_only_an_order_that_waits_for_its_payment_is_paid(shop: Shop) -> None:
    ada = shop.world.person("ada")
    for order in (None, NOBODY):
        with refused("not_found"):
            ada.rows("select edge.retry_order(%s)", order)
    purchase = shop.paid(ada)
    with refused("invalid_state", status="paid"):
        ada.rows("select edge.retry_order(%s)", purchase.order_id)


def test_a_key_is_for_one_request(shop: Shop) -> None:
    ada = shop.world.person("ada")
    price = str(shop.price())
    shop.start(ada, [_item(1, price)], "a key")
    with refused("conflict", idempotency_key="a key"):
        shop.start(ada, [_item(2, price)], "a key")
    shop.start(shop.world.person("grace"), [_item(2, price)], "a key")


NO_EVENTS = (
        None, "[]", "null", "7", '"evt"', "{}", '{"id": "evt_1", "type": "x", "created": 1}',
        '{"id": 7, "type": "x", "created": 1, "data": {"object": {}}}',
        '{"id": "evt_1", "type": "x", "created": 1, "data": {"object": []}}',
        '{"id": "evt_1", "type": "x", "created": "1", "data": {"object": {}}}',
        '{"id": "evt_1", "type": "x", "created": 1e30, "data": {"object": {}}}',
        '{"id": "evt_1", "type": "x", "created": 1.5, "data": {"object": {}}}',
        '{"id": "evt 1", "type": "x", "created": 1, "data": {"object": {}}}',
        '{"id": "", "type": "x", "created": 1, "data": {"object": {}}}',
)  # fmt: skip


def test_what_is_no_event_is_refused(shop: Shop, subtests: pytest.Subtests) -> None:
    for payload in NO_EVENTS:
        with subtests.test(str(payload)), refused("validation_failed"):
            shop.ask("select edge.receive_stripe_event(%s)", payload)
    assert shop.world.as_dba("select * from billing.stripe_events") == []


EVENTS = (
    "checkout.session.completed", "payment_intent.succeeded", "charge.refunded", "refund.created",
    "charge.dispute.created", "customer.subscription.updated", "invoice.paid", "invoice_payment.paid",
)  # fmt: skip


def test_an_event_of_ours_that_makes_no_sense_is_kept_and_breaks_nothing(
    shop: Shop, subtests: pytest.Subtests
) -> None:
    """It is recorded with its error, money does not move, and the next event is as good as ever."""
    ada = shop.world.person("ada")
    purchase = shop.paid(ada)
    subscribed = shop.subscribed(ada)
    nonsense = {"amount": "x", "amount_total": {}, "created": [], "amount_refunded": "NaN", "metadata": 7}
    objects: list[Row] = [
        shop.session(purchase, amount_total="a lot", payment_status="paid", payment_intent="pi_other"),
        {**shop.refund(purchase, 500), "amount": "a lot"},
        {**shop.refund(purchase, 500), "amount": -500},
        {**shop.refund(purchase, 500), "status": "eaten"},
        {**shop.refund(purchase, 500), "amount": 10**30},
        shop.refund(purchase, 500_000),
        shop.dispute(purchase, status="eaten"),
        shop.dispute(purchase, amount=0),
        shop.subscription(subscribed, status="eaten", **{"items": {"data": "none"}}),
        shop.subscription(subscribed, cancel_at_period_end="perhaps"),
        shop.invoice(subscribed, amount_paid="NaN"),
        shop.invoice(subscribed, status="eaten"),
        *({"object": kind, "customer": purchase.customer, "payment_intent": purchase.intent, **nonsense}
          for kind in ("charge", "refund", "dispute", "checkout.session", "subscription", "invoice", "x")),
    ]  # fmt: skip
    for object_ in objects:
        for type_ in EVENTS:
            with subtests.test(f"{type_}: {object_}"):
                assert shop.tell(type_, object_, created=1_790_000_500) in {
                    "failed",
                    "waiting",
                    "ignored",
                    "applied",
                }
    shop.assert_sound()
    assert shop.payment(purchase)["amount_refunded"] == 0
    assert ada.row("select status from orders") == {"status": "paid"}
    assert ada.row("select status from subscriptions") == {"status": "active"}
    assert shop.world.as_dba("select * from public.disputes") == []
    shop.apply("refund.created", shop.refund(purchase, 500))
