"""The worker's side of billing: what it asks of Stripe, and what it hands to SQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import pytest
import stripe

from edge.billing import stripe_api
from edge.billing.jobs import billing_handlers
from edge.billing.stripe_api import KeyTakenError, Stripe, StripeRefusedError
from edge.database import Caller
from edge.settings import Secret
from edge.worker.job import FINISHED, Job, Result, RetryLater
from tests.stripe_sim.process import KEY, Sim
from tests.stripe_sim.shop import Shop

Call = tuple[str, dict[str, Any]]


class Ledger:
    """Answers as SQL would, and remembers what it was told."""

    def __init__(self, *answers: object) -> None:
        self._answers = [*answers]
        self.calls: list[Call] = []

    async def call(self, query: str, parameters: dict[str, Any]) -> object:
        name = query.split("edge.")[1].partition("(")[0]
        assert (parameters.pop("id"), parameters.pop("lease")) == (7, 9)
        decoded = {
            key: json.loads(value)
            if key in ("objects", "refund", "subscription", "session") and value
            else value
            for key, value in parameters.items()
        }
        self.calls.append((name, decoded))
        return self._answers.pop(0) if self._answers else None

    @property
    def said(self) -> Call:
        return self.calls[-1]


def job(kind: str) -> Job:
    return Job(
        id=7, lease=9, kind=kind, handler="python", payload_text="{}", attempt=1,
        idempotency_key=uuid4(), lease_seconds=5,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_api, "ATTEMPT_TIMEOUT", 0.5)
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


@pytest.fixture
def shop(sim: Sim) -> Shop:
    return Shop(sim, sim.client())


@pytest.fixture
def do(sim: Sim) -> Callable[[str, Ledger], Result]:
    """Run the handler of a kind once."""

    def run(kind: str, sql: Ledger) -> Result:
        async def attempt() -> Result:
            api = Stripe(Secret(KEY), sim.url)
            async with api.opened():
                handle: Callable[[Job, Caller], Awaitable[Result]] = billing_handlers(api)[kind]
                return await handle(job(kind), cast(Caller, sql))

        return asyncio.run(attempt())

    return run


Do = Callable[[str, Ledger], Result]


def ids(objects: list[dict[str, Any]]) -> list[str]:
    return [each["object"] for each in objects]


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("billing.refetch", "start_refetch"),
        ("billing.create_refund", "start_refund"),
        ("billing.cancel_subscription", "start_cancellation"),
        ("billing.expire_checkout", "start_expiry"),
        ("billing.reconcile", "start_reconciliation"),
    ],
)
def test_where_nothing_is_left_to_do_stripe_is_not_asked(do: Do, sim: Sim, kind: str, start: str) -> None:
    sim.control("POST", "faults", {"how": "unavailable", "times": 1000})
    sql = Ledger(None)
    assert do(kind, sql) is None
    assert sql.calls == [(start, {})]


def test_a_payment_comes_with_all_that_hangs_on_it(do: Do, shop: Shop) -> None:
    session = shop.purchase()
    assert isinstance(session.payment_intent, str)
    for amount in (100, 200):
        shop.v1.refunds.create({"payment_intent": session.payment_intent, "amount": amount})
    sql = Ledger({"object": "payment_intent", "id": session.payment_intent, "ticket": 3})
    assert do("billing.refetch", sql) is FINISHED
    name, told = sql.said
    assert (name, told["ticket"]) == ("finish_refetch", 3)
    assert ids(told["objects"]) == ["payment_intent", "charge", "refund", "refund"]
    intent, charge, *refunds = told["objects"]
    assert (intent["id"], charge["amount_refunded"]) == (session.payment_intent, 300)
    assert sorted(refund["amount"] for refund in refunds) == [100, 200]


def test_a_renewal_comes_with_its_invoice(do: Do, shop: Shop) -> None:
    _, subscription = shop.subscribe()
    (invoice,) = shop.v1.invoices.list({"subscription": subscription.id}).data
    (paid,) = shop.v1.invoice_payments.list({"invoice": invoice.id}).data
    sql = Ledger({"object": "payment_intent", "id": paid.payment.payment_intent, "ticket": 1})
    do("billing.refetch", sql)
    _, told = sql.said
    assert ids(told["objects"]) == ["payment_intent", "charge", "invoice_payment"]
    assert told["objects"][-1]["invoice"] == invoice.id


def test_objects_come_as_stripe_has_them(do: Do, shop: Shop) -> None:
    session, subscription = shop.subscribe()
    (invoice,) = shop.v1.invoices.list({"subscription": subscription.id}).data
    for kind, id_ in [
        ("subscription", subscription.id),
        ("checkout.session", session.id),
        ("invoice", invoice.id),
    ]:
        sql = Ledger({"object": kind, "id": id_, "ticket": 1})
        do("billing.refetch", sql)
        (told,) = sql.said[1]["objects"]
        assert (told["object"], told["id"]) == (kind, id_)


@pytest.mark.parametrize("kind", ["subscription", "payment_intent", "checkout.session", "invoice", "dispute"])
def test_what_stripe_does_not_have_is_told_too(do: Do, kind: str) -> None:
    sql = Ledger({"object": kind, "id": "xx_nobody", "ticket": 1})
    assert do("billing.refetch", sql) is FINISHED
    assert sql.said == ("finish_refetch", {"ticket": 1, "objects": []})


@pytest.mark.parametrize("how", ["rate_limit", "unavailable", "error", "lost", "hang"])
def test_an_outage_burns_no_attempt(do: Do, shop: Shop, sim: Sim, how: str) -> None:
    _, subscription = shop.subscribe()
    sim.control("POST", "faults", {"how": how, "times": 1000})
    sql = Ledger({"object": "subscription", "id": subscription.id, "ticket": 1})
    with pytest.raises(RetryLater, match="Stripe does not answer"):
        do("billing.refetch", sql)
    assert [name for name, _ in sql.calls] == ["start_refetch"]


def wanted_refund(session: stripe.checkout.Session, amount: int = 500) -> dict[str, Any]:
    return {
        "refund_id": "11111111-1111-4111-8111-111111111111",
        "payment_intent": session.payment_intent,
        "amount": amount,
        "reason": "requested_by_customer",
    }


@pytest.mark.parametrize("how", ["lost", "hang"])
def test_a_refund_whose_answer_is_lost_is_made_once(do: Do, shop: Shop, sim: Sim, how: str) -> None:
    wanted = wanted_refund(shop.purchase())
    sim.control("POST", "faults", {"how": how, "times": 1000, "path": "/v1/refunds"})
    with pytest.raises(RetryLater):
        do("billing.create_refund", Ledger(wanted))
    sim.control("POST", "faults/clear")
    sql = Ledger(wanted)
    assert do("billing.create_refund", sql) is FINISHED
    name, told = sql.said
    assert (name, told["error"]) == ("finish_refund", None)
    (refund,) = sim.state()["objects"]["refund"]
    assert told["refund"]["id"] == refund["id"]
    assert refund["metadata"] == {"refund_id": wanted["refund_id"]}
    assert (refund["amount"], refund["reason"]) == (500, "requested_by_customer")


def test_a_fault_that_stripe_remembers_delays_the_refund_and_doubles_none(
    do: Do, shop: Shop, sim: Sim
) -> None:
    session = shop.purchase()
    wanted = wanted_refund(session)
    sim.control("POST", "faults", {"how": "error", "path": "/v1/refunds"})
    for _ in range(2):
        with pytest.raises(RetryLater) as later:
            do("billing.create_refund", Ledger(wanted))
    assert later.value.seconds == 3600
    assert sim.state()["objects"]["refund"] == []
    # Stripe's fault was behind the refund, not before it.
    assert isinstance(session.payment_intent, str)
    made = shop.v1.refunds.create(
        {
            "payment_intent": session.payment_intent,
            "amount": 500,
            "metadata": {"refund_id": wanted["refund_id"]},
        }
    )
    sql = Ledger(wanted)
    assert do("billing.create_refund", sql) is FINISHED
    assert sql.said[1]["refund"]["id"] == made.id
    assert len(sim.state()["objects"]["refund"]) == 1


def test_a_final_refusal_of_a_refund_is_told_in_stripes_words(do: Do, shop: Shop) -> None:
    sql = Ledger(wanted_refund(shop.purchase(amount=400), amount=500))
    assert do("billing.create_refund", sql) is FINISHED
    name, told = sql.said
    assert (name, told["refund"]) == ("finish_refund", None)
    assert "greater than" in told["error"]


def test_a_key_with_other_parameters_is_no_refusal_of_the_refund(do: Do, shop: Shop) -> None:
    wanted = wanted_refund(shop.purchase())
    do("billing.create_refund", Ledger(wanted))
    sql = Ledger({**wanted, "amount": 501})
    assert do("billing.create_refund", sql) is FINISHED, "the one that carries the mark"
    assert sql.said[1]["refund"]["amount"] == 500
    sql = Ledger({**wanted, "payment_intent": shop.purchase().payment_intent})
    with pytest.raises(KeyTakenError):
        do("billing.create_refund", sql)


def test_a_subscription_is_canceled_whoever_did_it_first(do: Do, shop: Shop, sim: Sim) -> None:
    _, subscription = shop.subscribe()
    for _ in range(2):
        sql = Ledger({"stripe_id": subscription.id})
        assert do("billing.cancel_subscription", sql) is FINISHED
        name, told = sql.said
        assert (name, told["subscription"]["status"]) == ("finish_cancellation", "canceled")
    assert sim.events("customer.subscription.deleted") == ["customer.subscription.deleted"]
    sql = Ledger({"stripe_id": "sub_nobody"})
    assert do("billing.cancel_subscription", sql) is FINISHED
    assert sql.said == ("finish_cancellation", {"subscription": None})


def test_a_page_is_closed_and_one_that_was_paid_is_brought(do: Do, shop: Shop) -> None:
    unpaid, paid = shop.session((shop.price(), 1)), shop.purchase()
    for session, status in [(unpaid, "expired"), (unpaid, "expired"), (paid, "complete")]:
        sql = Ledger({"stripe_id": session.id})
        assert do("billing.expire_checkout", sql) is FINISHED
        name, told = sql.said
        assert (name, told["session"]["status"]) == ("finish_expiry", status)
    sql = Ledger({"stripe_id": "cs_test_nobody"})
    do("billing.expire_checkout", sql)
    assert sql.said == ("finish_expiry", {"session": None})


def test_a_refusal_while_it_still_lives_is_not_its_end(do: Do, shop: Shop, monkeypatch: Any) -> None:
    async def refuse(_: Stripe, id_: str) -> None:
        raise StripeRefusedError(f"not {id_}")

    _, subscription = shop.subscribe()
    monkeypatch.setattr(Stripe, "cancel_subscription", refuse)
    sql = Ledger({"stripe_id": subscription.id})
    with pytest.raises(StripeRefusedError):
        do("billing.cancel_subscription", sql)
    assert [name for name, _ in sql.calls] == ["start_cancellation"]


def step(resource: str, after: str | None = None, since: int | None = None) -> dict[str, Any]:
    return {"reconciliation_id": 1, "resource": resource, "after": after, "since": since}


def test_reconciliation_carries_every_page_of_every_kind(
    do: Do, shop: Shop, sim: Sim, monkeypatch: Any
) -> None:
    monkeypatch.setattr(stripe_api, "PAGE", 2)
    session, subscription = shop.subscribe()
    shop.v1.subscriptions.cancel(subscription.id)
    purchases = [shop.purchase() for _ in range(3)]
    sim.control("POST", "disputes", {"charge": shop.charge_of(purchases[0]).id})
    shop.v1.refunds.create({"payment_intent": str(purchases[1].payment_intent)})
    newest = shop.reload(purchases[2])
    sql = Ledger(
        step("checkout.session"), step("checkout.session", purchases[1].id), step("subscription"),
        step("charge"), step("refund"), step("dispute"), step("invoice"), step("customer"),
        step("event", since=2_000_000_000), None,
    )  # fmt: skip
    assert do("billing.reconcile", sql) is FINISHED
    first, *pages = sql.calls
    assert first == ("start_reconciliation", {})
    assert {name for name, _ in pages} == {"reconcile_page"}
    told = [(ids(page["objects"]), page["has_more"]) for _, page in pages]
    assert told == [
        (["checkout.session"] * 2, True),
        (["checkout.session"] * 2, False),
        (["subscription"], False),
        (["charge"] * 2, True),
        (["refund"], False),
        (["dispute"], False),
        (["invoice"], False),
        (["customer"], False),
        ([], False),
    ]
    assert pages[0][1]["objects"][0]["id"] == newest.id
    assert pages[1][1]["objects"][1]["id"] == session.id
    assert pages[2][1]["objects"][0]["status"] == "canceled"


def test_reconciliation_stops_at_the_page_that_stripe_does_not_give(do: Do, shop: Shop, sim: Sim) -> None:
    shop.purchase()
    sim.control("POST", "faults", {"how": "unavailable", "times": 1000, "path": "/v1/refunds"})
    sql = Ledger(step("charge"), step("refund"))
    with pytest.raises(RetryLater):
        do("billing.reconcile", sql)
    assert [name for name, _ in sql.calls] == ["start_reconciliation", "reconcile_page"]
