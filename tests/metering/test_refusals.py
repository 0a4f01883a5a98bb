"""What people read who are refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest

from tests.acting import Person
from tests.metering.meter import Meter


@pytest.fixture
def ada(meter: Meter) -> Person:
    return meter.world.person("ada")


def hint(call: Callable[[], object]) -> str:
    """The advice, with the end of the month taken out."""
    with pytest.raises(psycopg.Error) as caught:
        call()
    assert caught.value.diag.message_primary in ("quota_exceeded", "provider_unavailable")
    until = json.loads(caught.value.diag.message_detail or "")["resets_at"]
    said = caught.value.diag.message_hint or ""
    return said.replace(f"{until[:10]} 00:00 UTC", "then")


def test_the_hint_says_what_is_in_the_way(meter: Meter, ada: Person) -> None:
    def consume(amount: int = 1) -> str:
        return hint(lambda: meter.consume(ada, amount=amount))

    meter.consume(ada)
    assert consume(3) == "Exports: 3 were asked for, the limit of the plan leaves 2 until then."
    held = meter.reserve(ada)
    meter.consume(ada)
    assert consume() == (
        "Exports: the limit of the plan, 3, is used up until then."
        " Work under way holds 1 of it; what that does not need comes back."
    )
    meter.settle(held)
    assert consume() == "Exports: the limit of the plan, 3, is used up until then."
    meter.limit(ada, 2)
    assert consume() == "Exports: the limit that an admin set, 2, is used up until then."
    meter.limit(ada, 5)
    assert consume(4) == "Exports: 4 were asked for, the limit that an admin set leaves 2 until then."
    meter.limit(ada, 0)
    assert consume() == "Exports: an admin has switched this off for you."
    meter.world.as_dba("delete from metering.overrides")
    meter.world.as_dba("update plan_limits set hard_limit = 0 where (plan, action) = ('free', 'export')")
    assert consume() == "Exports: the plan does not include this."
    meter.world.as_dba("delete from plan_limits where (plan, action) = ('free', 'export')")
    assert consume() == "Exports: the plan does not include this."


def test_the_hint_tells_money_from_calls(meter: Meter, ada: Person) -> None:
    def reserve(cost: int) -> str:
        return hint(lambda: meter.reserve(ada, action="ai", cost=cost))

    assert reserve(500001) == (
        "AI: what this may cost is more than the limit of the plan leaves until then. Ask for less."
    )
    meter.settle(meter.reserve(ada, action="ai", cost=1), cost=500000)
    assert reserve(1) == "AI: the limit of the plan is used up by what this month's calls cost, until then."
    meter.limit(ada, None, action="ai")
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 500000")
    assert reserve(1) == "The product's budget for this action does not allow this call until then."
