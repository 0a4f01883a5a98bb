"""What people are written about money: once for each cause, to who is concerned, in readable amounts."""

from __future__ import annotations

from itertools import permutations

import pytest

from edge.emails.rendering import Rendered, Wording
from tests.acting import Person, Row, World
from tests.billing.shop import Shop
from tests.emails.mail_server import MailServer, bodies
from tests.emails.outbox import send_all
from tests.identity.mails import mails
from tests.identity.organizations import found, join
from tests.jobs.queueing import Queue

WORDING = Wording(product="Groundwork", site_url="https://app.example.com")
APP = "https://app.example.com"


def _says(mail: Row, *parts: str) -> None:
    """Its text and its HTML both say all of these."""
    rendered: Rendered = WORDING.render(mail["template"], mail["params"], unsubscribe_url=None)
    for part in parts:
        assert part in rendered.text, rendered.text
        assert part in rendered.html, rendered.html


def _addresses(world: World, template: str) -> list[str]:
    return [mail["to"] for mail in mails(world, template)]


def _owner(shop: Shop, name: str = "boss") -> Person:
    """Somebody who runs the product."""
    boss = shop.world.person(name)
    shop.world.as_dba("update public.profiles set role = 'super_admin' where id = %s", boss.id)
    return boss


def test_a_paid_order_is_confirmed_and_told_to_the_owners(
    queue: Queue, shop: Shop, server: MailServer
) -> None:
    ada, boss = shop.world.person("ada"), _owner(shop)
    items = [
        {"price_id": str(shop.price(24900, name="Gear")), "quantity": 2},
        {"price_id": str(shop.price(150, name="Oil www.evil.example")), "quantity": 1},
    ]
    purchase = shop.open(shop.start(ada, items))
    for _ in range(2):
        shop.apply("checkout.session.completed", shop.session(purchase))
    send_all(queue, server)
    sent = [mail for mail in server.taken if "role" not in mail["Subject"]]
    letters = {mail["To"]: mail for mail in sent}
    assert sorted(mail["To"] for mail in sent) == [ada.email, boss.email]
    assert letters[ada.email]["Subject"] == "Your order at Groundwork: 499.50 USD"
    assert letters[boss.email]["Subject"] == "Sold at Groundwork: 499.50 USD"
    for letter in sent:
        for body in bodies(letter):
            assert "2 \N{MULTIPLICATION SIGN} Gear: 498.00 USD" in body
            assert "1.50 USD" in body
            assert "Total: " in body
            assert "www.evil.example" not in body
    for body in bodies(letters[ada.email]):
        assert f"{APP}/orders/{purchase.order_id}" in body


def test_a_decline_tells_the_customer_how_to_try_again_once_an_attempt(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.order(ada, 1900, currency="JPY")
    declined = shop.decline(purchase, "Your card has insufficient funds.")
    for _ in range(3):
        shop.tell(declined["type"], declined["data"]["object"])
    (mail,) = mails(shop.world, "order_payment_failed")
    assert mail["to"] == ada.email
    _says(mail, "1,900 JPY", "insufficient funds", f"{APP}/orders/{purchase.order_id}")

    ada.rows("select edge.retry_order(%s)", purchase.order_id)
    shop.tell(declined["type"], declined["data"]["object"])
    assert len(mails(shop.world, "order_payment_failed")) == 1, "the page is the same"
    shop.apply("checkout.session.expired", shop.session(purchase, status="expired", url=None))
    again = shop.open(ada.row("select edge.retry_order(%s) as c", purchase.order_id)["c"])
    assert again.session != purchase.session
    shop.tell("payment_intent.payment_failed", shop.decline(again)["data"]["object"])
    assert len(mails(shop.world, "order_payment_failed")) == 2, "another attempt"
    shop.apply("checkout.session.completed", shop.session(again))
    assert _addresses(shop.world, "order_confirmation") == [ada.email]


def test_each_refund_is_told_with_what_went_back_so_far(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.paid(ada, 2000)
    for refund in (shop.refund(purchase, 500), shop.refund(purchase, 1500)):
        for type_ in ("refund.created", "refund.updated"):
            shop.apply(type_, refund)
    first, second = mails(shop.world, "refund_issued")
    _says(first, "5.00 USD", "So far 5.00 USD of 20.00 USD", f"{APP}/orders/{purchase.order_id}")
    _says(second, "15.00 USD", "the whole payment of 20.00 USD")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_refund_is_told_once_whatever_tells_of_it_first(shop: Shop, order: tuple[int, ...]) -> None:
    purchase = shop.paid(shop.world.person("ada"), 2000)
    refund = shop.refund(purchase, 500)
    charge = {
        "object": "charge", "id": "ch_1", "payment_intent": purchase.intent, "customer": purchase.customer,
        "currency": "usd", "amount": 2000, "paid": True, "captured": True, "amount_refunded": 500,
    }  # fmt: skip
    news = [("refund.created", refund), ("charge.refunded", charge), ("refund.updated", refund)]
    for number in order:
        shop.apply(*news[number])
    (mail,) = mails(shop.world, "refund_issued")
    assert (mail["params"]["amount"], mail["params"]["refunded"]) == (500, 500)


def test_the_life_of_a_subscription_is_told_to_who_pays(shop: Shop) -> None:
    """Of an organization to its owners, and to nobody else in it; each stage once."""
    ada, owner, member = map(shop.world.person, ("ada", "owner", "member"))
    organization = found(owner, "Engines")
    join(owner, organization, member, "admin")
    for person, whose, named in ((ada, None, "Pro"), (owner, organization, "for Engines")):
        purchase = shop.subscribed(person, whose)
        shop.tell("customer.subscription.updated", shop.subscription(purchase), 1_790_000_100)
        for attempt in (1, 1, 2):
            shop.apply("invoice.payment_failed", shop.invoice(purchase, "open", attempt))
        past_due = shop.subscription(purchase, status="past_due")
        shop.apply("customer.subscription.updated", past_due, 1_790_000_200)
        for _ in range(2):
            ended = shop.subscription(purchase, status="canceled")
            shop.apply("customer.subscription.deleted", ended, 1_790_000_300)

        started, first, second, end = (
            mail
            for template in ("subscription_started", "subscription_payment_failed", "subscription_canceled")
            for mail in mails(shop.world, template)
            if mail["to"] == person.email
        )
        _says(started, "Pro", f"{APP}/billing", "It renews on")
        _says(first, "19.00 USD", "attempt 1", f"{APP}/billing")
        _says(second, "attempt 2")
        _says(end, "ended on", f"{APP}/billing")
        for mail in (started, first, second, end):
            _says(mail, named)
    assert {
        mail["to"] for mail in shop.world.as_dba("select * from jobs.emails where template like 'sub%%'")
    } == {
        ada.email,
        owner.email,
    }


def test_a_first_payment_that_never_came_is_no_start_and_no_end(shop: Shop) -> None:
    purchase = shop.open(shop.start_subscription(shop.world.person("ada")))
    shop.apply("customer.subscription.created", shop.subscription(purchase, status="incomplete"))
    failed = shop.invoice(purchase, "open", billing_reason="subscription_create")
    shop.apply("invoice.payment_failed", failed)
    gone = shop.subscription(purchase, status="incomplete_expired")
    shop.apply("customer.subscription.updated", gone, 1_790_000_100)
    assert shop.world.as_dba("select * from jobs.emails") == []


def test_a_dispute_is_told_to_all_owners_of_the_product_and_no_customer(shop: Shop) -> None:
    ada, boss, partner = shop.world.person("ada"), _owner(shop), _owner(shop, "partner")
    purchase = shop.paid(ada)
    dispute = shop.dispute(purchase, reason="product_not_received")
    for type_ in ("charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated"):
        shop.apply(type_, dispute)
    told = mails(shop.world, "dispute_notice")
    assert sorted(mail["to"] for mail in told) == sorted([boss.email, partner.email])
    _says(told[0], "20.00 USD", "product not received", "22 September 2026, 14:13 UTC")


def test_no_money_waits_for_a_mail_that_cannot_be_written(shop: Shop) -> None:
    """An address that mail cannot go to, and an order whose names alone would overfill a mail."""
    boss, ada = _owner(shop), shop.world.person("ada")
    shop.world.as_dba("update public.profiles set email = 'a,b@example.com' where id = %s", boss.id)
    price = str(shop.price(1, name="\N{GRINNING FACE}" * 200))
    purchase = shop.open(shop.start(ada, [{"price_id": price, "quantity": 1}] * 100))
    shop.apply("checkout.session.completed", shop.session(purchase))
    assert ada.row("select status from orders") == {"status": "paid"}
    (mail,) = mails(shop.world, "order_confirmation")
    _says(mail, "\N{GRINNING FACE}" * 79 + "…")
    subscribed = shop.subscribed(ada)
    shop.world.as_dba("update public.profiles set email = 'a,b@example.com' where id = %s", ada.id)
    shop.apply(
        "customer.subscription.deleted", shop.subscription(subscribed, status="canceled"), 1_790_000_300
    )
    assert ada.row("select status from subscriptions") == {"status": "canceled"}
    assert mails(shop.world, "subscription_canceled") == []


def test_a_report_says_what_is_to_be_decided() -> None:
    found = {"id": 7, "kind": "second_subscription", "subject": "sub_1", "reason": "There is another.",
             "suggested_action": "Cancel one of the two."}  # fmt: skip
    params = {"reconciliation_id": 1, "objects": 90, "healed": 3, "dead_events": 2, "discrepancies": [found]}
    report = {"template": "reconciliation_report", "params": params}
    _says(report, "90 objects", "3 were brought up to date", "2 events could not be applied", "sub_1")
    _says(report, "second subscription", "There is another.", "Cancel one of the two.")
    _says(report | {"params": params | {"discrepancies": []}}, "Nothing is left to decide.")
