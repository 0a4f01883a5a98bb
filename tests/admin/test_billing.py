"""What admins see of Stripe's events and of money, and decide; for everybody else it does not exist."""

import pytest

from tests.acting import Person, Row, refused
from tests.billing.fixtures import shop
from tests.billing.shop import Purchase, Shop

__all__ = ["shop"]

DECIDED = "select action, user_id, changes from audit.log where action like '%%_stripe_event' order by id"


@pytest.fixture
def admin(shop: Shop) -> Person:
    ada = shop.world.person("ada")
    shop.world.as_dba("update public.profiles set role = 'admin' where id = %s", ada.id)
    return ada


@pytest.fixture
def broken(shop: Shop) -> Row:
    """An event that cannot be applied: it says that more came back than was paid."""
    bought = shop.paid(shop.world.person("grace"))
    charge = {"object": "charge", "id": "ch_1", "payment_intent": bought.intent, "paid": True}
    event = shop.event("charge.refunded", charge | {"amount_captured": 2000, "amount_refunded": 9999})
    assert shop.receive(event) == "failed"
    return event


def run_out_of_tries(shop: Shop, event: Row) -> None:
    shop.world.as_dba("update billing.stripe_events set attempts = 11 where id = %s", event["id"])
    shop.world.as_dba("select billing.apply_again(%s)", f'{{"event_id": "{event["id"]}"}}')


def test_events_are_paged_and_show_why_they_are_not_applied(shop: Shop, admin: Person, broken: Row) -> None:
    shop.tell("customer.created", {"object": "customer", "id": "cus_x"})
    (newest,) = admin.rows("select * from admin_stripe_events(page_size => 1)")
    assert (newest["type"], newest["status"]) == ("customer.created", "ignored")
    older = admin.rows("select * from admin_stripe_events(before => %s)", newest["received_at"])
    assert [row["status"] for row in older] == ["failed", "applied"]
    (failed,) = admin.rows("select * from admin_stripe_events('failed')")
    assert failed["id"] == broken["id"]
    assert failed["payload"] == broken
    assert "refunded_within_the_captured_amount" in failed["error"]


def test_an_event_that_fails_for_good_waits_for_an_admin_who_retries_it(
    shop: Shop, admin: Person, broken: Row
) -> None:
    run_out_of_tries(shop, broken)
    (dead,) = admin.rows("select * from admin_stripe_events('dead')")
    assert (dead["id"], dead["attempts"]) == (broken["id"], 12)
    assert admin.row("select admin_retry_stripe_event(%s) as id", broken["id"]) == {"id": broken["id"]}
    shop.world.as_dba(
        "update billing.stripe_events"
        " set payload = jsonb_set(payload, '{data,object,amount_refunded}', '500') where id = %s",
        broken["id"],
    )
    (job,) = shop.world.as_dba(
        "select payload from jobs.queue where kind = 'billing.apply_stripe_event' order by id desc limit 1"
    )
    assert job["payload"] == {"event_id": broken["id"]}
    shop.world.as_dba("select billing.apply_again(%s)", f'{{"event_id": "{broken["id"]}"}}')
    assert shop.dba("select amount_refunded from payments") == {"amount_refunded": 500}
    (recorded,) = shop.world.as_dba(DECIDED)
    assert (recorded["action"], recorded["user_id"]) == ("retry_stripe_event", admin.id)
    with refused("invalid_state", status="applied"):
        admin.rows("select admin_retry_stripe_event(%s)", broken["id"])


def test_an_event_is_dismissed_with_a_reason(shop: Shop, admin: Person, broken: Row) -> None:
    for reason in (None, "", "two\nlines", "x" * 501):
        with refused("validation_failed", field="reason"):
            admin.rows("select admin_ignore_stripe_event(%s, %s)", broken["id"], reason)
    admin.rows("select admin_ignore_stripe_event(%s, 'a test of the bank')", broken["id"])
    (row,) = admin.rows("select * from admin_stripe_events('ignored')")
    assert (row["id"], row["error"]) == (broken["id"], "a test of the bank")
    shop.world.as_dba("select billing.apply_again(%s)", f'{{"event_id": "{broken["id"]}"}}')
    assert admin.row("select status from admin_stripe_events() where id = %s", broken["id"]) == {
        "status": "ignored"
    }
    (recorded,) = shop.world.as_dba(DECIDED)
    assert recorded["changes"] == {"event": broken["id"], "reason": "a test of the bank"}


def test_a_refund_is_asked_for_once_per_key(shop: Shop, admin: Person) -> None:
    bought = shop.paid(shop.world.person("grace"))
    payment = shop.payment(bought)["id"]
    ask = "select * from admin_refund_payment(%s, %s, 'broken', %s)"
    first = admin.row(ask, payment, 500, "key")
    assert (first["status"], first["amount"], first["requested_by"]) == ("requested", 500, admin.id)
    assert admin.row(ask, payment, 500, "key")["id"] == first["id"]
    with refused("conflict"):
        admin.row(ask, payment, 600, "key")
    with refused("invalid_state", left=1500):
        admin.row(ask, payment, 1501, "another key")
    rest = admin.row("select * from admin_refund_payment(%s)", payment)
    assert rest["amount"] == 1500
    with refused("invalid_state", left=0):
        admin.rows("select * from admin_refund_payment(%s)", payment)
    jobs = shop.world.as_dba(
        "select payload ->> 'refund_id' as id from jobs.queue where kind = 'billing.create_refund'"
    )
    assert [row["id"] for row in jobs] == [str(first["id"]), str(rest["id"])]


def test_a_discrepancy_is_seen_and_settled(shop: Shop, admin: Person) -> None:
    bought: Purchase = shop.order(shop.world.person("grace"))
    shop.apply("checkout.session.completed", shop.session(bought, amount_total=1))
    (filed,) = admin.rows("select * from admin_discrepancies()")
    assert (filed["kind"], filed["detail"]["paid"]) == ("amount_mismatch", 1)
    assert filed["suggested_action"]
    with refused("validation_failed", field="resolution"):
        admin.rows("select admin_resolve_discrepancy(%s, ' ')", filed["id"])
    admin.rows("select admin_resolve_discrepancy(%s, 'refunded by hand')", filed["id"])
    assert admin.rows("select * from admin_discrepancies()") == []
    (settled,) = admin.rows("select * from admin_discrepancies(only_open => false)")
    assert settled["resolution"] == "refunded by hand"
    with refused("not_found"):
        admin.rows("select admin_resolve_discrepancy(%s, 'again')", filed["id"])


@pytest.mark.parametrize(
    "statement",
    [
        "select * from admin_stripe_events()",
        "select admin_retry_stripe_event('evt_1')",
        "select admin_ignore_stripe_event('evt_1', 'x')",
        "select * from admin_refund_payment(gen_random_uuid(), 1)",
        "select * from admin_discrepancies()",
        "select admin_resolve_discrepancy(1, 'x')",
    ],
)
def test_nobody_else_sees_or_decides(shop: Shop, statement: str) -> None:
    grace = shop.world.person("grace")
    with refused("forbidden"):
        grace.rows(statement)
    with refused("42501"):
        shop.world.anon.rows(statement)
