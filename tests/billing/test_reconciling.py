"""Comparisons of everything that do not go as planned: two at once, an end that died, news under way."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.acting import Row
from tests.billing.held import claimed
from tests.billing.shop import Shop

KIND = "billing.reconcile"


def _start(shop: Shop, job: Row) -> Row | None:
    step: Row | None = shop.ask("select edge.start_reconciliation(%s, %s)", job["id"], job["lease"])
    return step


def _page(shop: Shop, job: Row, objects: list[Row], more: bool) -> Row | None:
    query = "select edge.reconcile_page(%s, %s, %s, %s)"
    step: Row | None = shop.ask(query, job["id"], job["lease"], json.dumps(objects), more)
    return step


def _ended(shop: Shop, job: Row) -> bool:
    return shop.world.as_dba("select from jobs.queue where id = %s", job["id"]) == []


def test_a_second_job_takes_over_and_no_page_counts_for_another_resource(shop: Shop) -> None:
    """Yesterday's job waited for Stripe until today's came."""
    shop.world.as_dba("select jobs.enqueue('billing.reconcile') from generate_series(1, 2)")
    first, second = claimed(shop, KIND)
    assert _start(shop, first)
    step = _start(shop, second)
    assert step
    assert step["resource"] == "event"
    assert _page(shop, second, [], more=False)
    events = [{"object": "event", "id": "evt_1", "type": "x", "created": 1, "data": {"object": {}}}]
    assert _page(shop, first, events, more=True) is None
    assert _ended(shop, first)
    assert shop.dba("select resource, after from billing.reconciliations") == {
        "resource": "customer",
        "after": None,
    }


def test_the_next_job_ends_a_comparison_whose_end_died(shop: Shop) -> None:
    shop.world.as_dba("select jobs.enqueue('billing.reconcile') from generate_series(1, 2)")
    first, second = claimed(shop, KIND)
    assert _start(shop, first)
    while _page(shop, first, [], more=False):
        pass
    assert _ended(shop, first)
    shop.world.as_dba("delete from jobs.queue where kind = 'billing.end_reconciliation'")
    assert _start(shop, second) is None
    (end,) = claimed(shop, "billing.end_reconciliation")
    shop.ask("select edge.run_job(%s, %s)::text", end["id"], end["lease"])
    assert shop.dba("select ended_at is not null as over from billing.reconciliations") == {"over": True}


def test_a_page_and_a_delivery_of_the_same_event_do_not_wait_in_a_circle(shop: Shop) -> None:
    """The page holds the customer of its first event; the delivery may hold no event before the customer."""
    ada = shop.world.person("ada")
    one, two = shop.order(ada), shop.order(ada)
    before, same = (shop.event("checkout.session.completed", shop.session(each)) for each in (one, two))
    receive = "select edge.receive_stripe_event(%s)"
    with psycopg.connect(shop.service_url) as page, ThreadPoolExecutor(1) as webhook:
        page.execute(receive, [json.dumps(before)])
        delivery = webhook.submit(shop.receive, same)
        while not shop.dba("select count(*) as n from pg_locks where not granted")["n"]:
            pass
        assert page.execute(receive, [json.dumps(same)]).fetchone() == ("applied",)
        page.commit()
        assert delivery.result(timeout=60) == "duplicate"
    shop.assert_sound()
