"""A plan as a condition of a policy: asked once a statement, true at once, false for whoever is nobody."""

from __future__ import annotations

import pytest

from tests.acting import Person
from tests.billing.subscribing import subscribe
from tests.metering.meter import Meter

REPORTS = """
    create table public.reports (id bigint generated always as identity, user_id uuid, action text);
    insert into public.reports (user_id, action) select '{user_id}', 'export' from generate_series(1, 2000);
    create index on public.reports (user_id);
    analyze public.reports;
    alter table public.reports enable row level security;
    grant select on public.reports to authenticated;
    create policy select_gated on public.reports for select to authenticated
    using (user_id = (select auth.uid()) and {gate})
"""


@pytest.fixture
def ada(meter: Meter) -> Person:
    return meter.world.person("ada")


def gate(meter: Meter, person: Person, condition: str) -> None:
    with_gate = REPORTS.format(user_id=person.id, gate=condition)
    for statement in with_gate.split(";"):
        meter.world.as_dba(statement.encode())  # type: ignore[arg-type]


def plan(person: Person) -> str:
    rows = person.rows("explain (analyze, costs off, timing off) select * from reports")
    return "\n".join(row["QUERY PLAN"] for row in rows)


def seen(person: Person) -> int:
    count: int = person.row("select count(*) as n from reports")["n"]
    return count


def test_a_policy_asks_once_and_answers_for_this_moment(meter: Meter, ada: Person) -> None:
    gate(meter, ada, "(select metering.allows('export'))")
    assert seen(ada) == 2000
    explained = plan(ada)
    assert explained.count("InitPlan") >= 2
    assert "Result (actual rows=1 loops=1)" in explained
    assert "SubPlan" not in explained
    assert "allows" not in explained, "of a row nothing is asked but its owner"
    meter.consume(ada, amount=2)
    held = meter.reserve(ada)
    assert seen(ada) == 0
    meter.let_holds_expire()
    assert seen(ada) == 2000
    meter.settle(held)
    assert seen(ada) == 0
    subscribe(meter.world, ada.id)
    assert seen(ada) == 2000


def test_a_gate_that_is_asked_for_each_row_would_be_noticed(meter: Meter, ada: Person) -> None:
    gate(meter, ada, "metering.allows(action)")
    assert seen(ada) == 2000
    assert "metering.allows(action)" in plan(ada)


def test_a_policy_can_ask_for_the_plan(meter: Meter, ada: Person) -> None:
    gate(meter, ada, "(select metering.my_plan()) = 'pro'")
    assert seen(ada) == 0
    subscribe(meter.world, ada.id)
    assert seen(ada) == 2000


def test_the_gate_is_closed_to_the_deleted_and_for_what_is_unknown(meter: Meter, ada: Person) -> None:
    gate(meter, ada, "(select metering.allows('exprot'))")
    assert seen(ada) == 0
    meter.world.as_dba("drop table public.reports")
    gate(meter, ada, "(select metering.allows('export'))")
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert seen(ada) == 0


def test_who_has_spent_what_an_action_may_cost_is_kept_out(meter: Meter, ada: Person) -> None:
    gate(meter, ada, "(select metering.allows('ai'))")
    assert seen(ada) == 2000
    meter.settle(meter.reserve(ada, action="ai", cost=5), cost=500000)
    assert seen(ada) == 0
