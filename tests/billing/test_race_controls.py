"""Two at once, step by step, with the lock and without it: what the races prove is not luck."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import pytest

from tests.acting import refused
from tests.billing.shop import START_SUBSCRIPTION, URLS, Shop
from tests.identity.mails import waiting

REFUND: LiteralString = "select id from admin_refund_payment(%s, 1500)"


def _without_locks(shop: Shop, *functions: LiteralString) -> None:
    """The same functions, but they read without locking."""
    for function in functions:
        row = shop.dba("select pg_get_functiondef(%s::regproc) as source", function)
        source: str = row["source"]
        assert "for no key update" in source
        shop.world.as_dba(source.replace("for no key update", "").replace("%", "%%"))


@pytest.mark.parametrize("locking", [True, False])
def test_the_second_refund_waits_for_the_first(shop: Shop, locking: bool) -> None:
    payment = shop.payment(shop.paid(shop.world.person("ada"), 2000))["id"]
    admins = [shop.world.person(name) for name in ("grace", "alan")]
    shop.world.as_dba("update public.profiles set role = 'admin' where email <> 'ada@example.com'")
    if not locking:
        _without_locks(shop, "billing.request_refund", "billing.require_what_is_left")
    with ThreadPoolExecutor(1) as threads:
        with admins[0].transaction() as first:
            first.execute(REFUND, [payment])
            second = waiting(threads, shop.world, lambda: admins[1].rows(REFUND, payment))
        if locking:
            with refused("invalid_state", rule="refunds_within_the_captured_amount", left=500):
                second.result(timeout=30)
        else:
            second.result(timeout=30)
    asked = shop.dba("select sum(amount)::int as sum from public.refunds")["sum"]
    assert asked == (1500 if locking else 3000)


@pytest.mark.parametrize("locking", [True, False])
def test_the_second_subscription_waits_for_the_first(shop: Shop, locking: bool) -> None:
    """Without the lock the index still refuses two, but with an error that tells nobody what to do."""
    ada = shop.world.person("ada")
    ada.rows("select edge.billing_customer()")
    if not locking:
        _without_locks(shop, "billing.my_customer")
    with ThreadPoolExecutor(1) as threads:
        with ada.transaction() as first:
            row = first.execute(START_SUBSCRIPTION, ["pro", None, *URLS]).fetchone()
            second = waiting(threads, shop.world, lambda: shop.start_subscription(ada)["checkout_id"])
        if locking:
            assert row
            assert second.result(timeout=30) == row["checkout"]["checkout_id"]
        else:
            with refused("23505"):
                second.result(timeout=30)
    assert len(shop.world.as_dba("select * from billing.checkouts")) == 1
