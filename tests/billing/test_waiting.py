"""News of something that is not here yet waits, asks Stripe, and is applied when it comes."""

from __future__ import annotations

import json

from tests.acting import Row
from tests.billing.held import claimed
from tests.billing.shop import Shop


def _try_again(shop: Shop, event: Row) -> None:
    shop.world.as_dba("select billing.apply_again(%s)", json.dumps({"event_id": event["id"]}))


def test_a_dispute_that_names_only_a_charge_finds_its_payment(shop: Shop) -> None:
    purchase = shop.paid(shop.world.person("ada"))
    event = shop.event("charge.dispute.created", shop.dispute(purchase, payment_intent=None, charge="ch_1"))
    assert shop.receive(event) == "waiting"
    _try_again(shop, event)
    (job,) = claimed(shop, "billing.refetch")
    wanted = shop.ask("select edge.start_refetch(%s, %s)", job["id"], job["lease"])
    assert (wanted["object"], wanted["id"]) == ("charge", "ch_1")

    charge = {
        "object": "charge", "id": "ch_1", "payment_intent": purchase.intent, "customer": purchase.customer,
        "paid": True, "captured": True, "currency": "usd", "amount": 2000, "amount_captured": 2000,
        "amount_refunded": 0, "metadata": {},
    }  # fmt: skip
    shop.ask(
        "select edge.finish_refetch(%s, %s, %s, %s)::text",
        job["id"], job["lease"], wanted["ticket"], json.dumps([charge]),
    )  # fmt: skip
    assert shop.dba("select status from public.disputes") == {"status": "needs_response"}
    assert shop.dba("select status from billing.stripe_events where id = %s", event["id"]) == {
        "status": "applied"
    }
    shop.assert_sound()


def test_what_never_comes_is_asked_for_three_times_and_then_waits_for_an_admin(shop: Shop) -> None:
    purchase = shop.paid(shop.world.person("ada"))
    event = shop.event("charge.dispute.created", shop.dispute(purchase, payment_intent="pi_unknown"))
    assert shop.receive(event) == "waiting"
    for _ in range(12):
        _try_again(shop, event)
    asked = shop.world.as_dba("select payload from jobs.queue where kind = 'billing.refetch'")
    assert [job["payload"]["id"] for job in asked] == ["pi_unknown"] * 3
    assert shop.dba("select status from billing.stripe_events where id = %s", event["id"]) == {
        "status": "received"
    }
    shop.world.as_dba("alter table billing.stripe_events disable trigger _100_refuse_another_event")
    shop.world.as_dba("update billing.stripe_events set received_at = now() - interval '4 days'")
    _try_again(shop, event)
    assert shop.dba("select status from billing.stripe_events where id = %s", event["id"]) == {
        "status": "dead"
    }
