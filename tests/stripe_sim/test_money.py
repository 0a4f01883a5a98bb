"""Refunds, disputes and captures: never more than was taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.stripe_sim.process import Sim
from tests.stripe_sim.shop import Shop


def test_partial_refunds_add_up_to_the_charge_and_no_further(sim: Sim, shop: Shop) -> None:
    charge = shop.charge_of(shop.purchase(2000))
    assert shop.v1.refunds.create({"charge": charge.id, "amount": 500}).amount == 500
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        shop.v1.refunds.create({"charge": charge.id, "amount": 1501})
    shop.v1.refunds.create({"payment_intent": str(charge.payment_intent), "reason": "requested_by_customer"})
    refunded = shop.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (refunded.amount_refunded, refunded.refunded) == (2000, True)
    assert refunded.refunds is not None
    assert [refund.amount for refund in refunded.refunds.data] == [1500, 500]
    with pytest.raises(stripe.InvalidRequestError) as failure:
        shop.v1.refunds.create({"charge": charge.id})
    assert failure.value.code == "charge_already_refunded"
    amounts = [
        event["data"]["object"]["amount_refunded"]
        for event in sim.state()["objects"]["event"]
        if event["type"] == "charge.refunded"
    ]
    assert amounts == [500, 2000]


def test_parallel_refunds_stay_within_the_charge(shop: Shop) -> None:
    charge = shop.charge_of(shop.purchase(2000))

    def refund(_: int) -> bool:
        try:
            return bool(shop.v1.refunds.create({"charge": charge.id, "amount": 300}))
        except stripe.InvalidRequestError:
            return False

    with ThreadPoolExecutor(20) as people:
        assert sum(people.map(refund, range(20))) == 6
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 1800


def test_a_refund_that_fails_later_frees_its_amount(sim: Sim, shop: Shop) -> None:
    charge = shop.charge_of(shop.purchase(2000))
    refund = shop.v1.refunds.create({"charge": charge.id})
    sim.control("POST", f"refunds/{refund.id}", {"status": "failed"})
    assert shop.v1.refunds.retrieve(refund.id).failure_reason
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 0
    assert sim.events()[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]
    assert shop.v1.refunds.create({"charge": charge.id}).amount == 2000


def test_refunds_of_bank_debits_take_their_time(sim: Sim, shop: Shop) -> None:
    session = shop.purchase(method="async_succeed")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        shop.v1.refunds.create({"payment_intent": str(session.payment_intent)})
    sim.control("POST", f"payment_intents/{session.payment_intent}/settle", {})
    refund = shop.v1.refunds.create({"payment_intent": str(session.payment_intent)})
    assert refund.status == "pending"
    sim.control("POST", f"refunds/{refund.id}", {"status": "succeeded"})
    assert shop.v1.refunds.retrieve(refund.id).status == "succeeded"


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_runs_its_course_once(sim: Sim, shop: Shop, outcome: str) -> None:
    charge = shop.charge_of(shop.purchase(2000))
    shop.v1.refunds.create({"charge": charge.id, "amount": 300})
    dispute = sim.control("POST", "disputes", {"charge": charge.id, "reason": "product_not_received"})
    assert dispute["amount"] == 1700
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        shop.v1.refunds.create({"charge": charge.id, "amount": 1})
    answered = shop.v1.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": "It was delivered."}, "submit": True}
    )
    assert answered.status == "under_review"
    sim.control("POST", f"disputes/{dispute['id']}", {"status": outcome})
    assert shop.v1.disputes.retrieve(dispute["id"]).status == outcome
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        shop.v1.disputes.close(dispute["id"])
    expected = ["created", "funds_withdrawn", "updated", "closed"]
    if outcome == "won":
        expected.insert(3, "funds_reinstated")
    assert sim.events("charge.dispute") == [f"charge.dispute.{name}" for name in expected]


def test_what_was_reserved_is_captured_in_part_and_only_that_is_refundable(shop: Shop) -> None:
    session = shop.purchase(2000, payment_intent_data={"capture_method": "manual"})
    intent = shop.v1.payment_intents.retrieve(str(session.payment_intent))
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2000)
    with pytest.raises(stripe.InvalidRequestError, match="too large"):
        shop.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2001})
    shop.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1200})
    refund = shop.v1.refunds.create({"payment_intent": intent.id})
    assert refund.amount == 1200
    with pytest.raises(stripe.InvalidRequestError, match="status of succeeded"):
        shop.v1.payment_intents.cancel(intent.id)


def test_intents_over_the_api(shop: Shop) -> None:
    def confirmed(method: str) -> stripe.PaymentIntent:
        return shop.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "confirm": True, "payment_method": method}
        )

    assert confirmed("pm_card_visa").status == "succeeded"
    declined = confirmed("pm_card_visa_chargeDeclined")
    assert declined.last_payment_error is not None
    assert (declined.status, declined.last_payment_error.code) == ("requires_payment_method", "card_declined")
    again = shop.v1.payment_intents.confirm(declined.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"


def test_fees_leave_a_trace(shop: Shop) -> None:
    charge = shop.charge_of(shop.purchase(10_000))
    booked = shop.v1.balance_transactions.retrieve(str(charge.balance_transaction))
    assert (booked.amount, booked.fee, booked.net, booked.source) == (10_000, 320, 9_680, charge.id)
