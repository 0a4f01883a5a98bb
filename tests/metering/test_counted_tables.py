"""A table whose rows count: whichever way a person inserts them, none passes the limit."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tests.acting import Person, refused
from tests.metering.meter import Meter, at_once, replaced

REPORTS: tuple[LiteralString, ...] = (
    "insert into metering.actions (action, name, description) values ('reports', 'Reports', 'Test')",
    "insert into public.plan_limits (plan, action, hard_limit) values ('free', 'reports', 5)",
    "create table public.reports (id int primary key, user_id uuid default auth.uid(), title text)",
    "grant select, insert, update, delete on public.reports to authenticated, anon, service_role",
    "select metering.count_writes('public.reports', 'reports')",
    "create function public.look() returns void language sql volatile security definer"
    " set search_path = '' as $$ select metering.require('reports') $$",
    "grant execute on function public.look() to anon, authenticated, service_role",
)
MANY: LiteralString = "insert into reports (id) select generate_series(%s::int, %s::int)"


@pytest.fixture
def ada(meter: Meter) -> Person:
    for statement in REPORTS:
        meter.world.as_dba(statement)
    return meter.world.person("ada")


def test_rows_count_and_a_refused_statement_leaves_none(meter: Meter, ada: Person) -> None:
    ada.rows(MANY, 1, 4)
    assert meter.counted(ada, "reports") == (4, 0)
    with refused("quota_exceeded", action="reports", name="Reports", used=4, requested=2, limit=5):
        ada.rows(MANY, 5, 6)
    ada.rows("insert into reports (id) select 1 where false")
    ada.rows("insert into reports (id) values (1), (5) on conflict (id) do update set title = 't'")
    assert meter.counted(ada, "reports") == (5, 0), "only what is new counts"
    with refused("quota_exceeded"):
        ada.rows(MANY, 6, 6)
    ada.count("update reports set title = 'u'")
    ada.count("delete from reports")
    assert meter.counted(ada, "reports") == (5, 0)
    assert ada.rows("select id from reports") == []


def test_however_many_insert_at_once(meter: Meter, ada: Person) -> None:
    def insert(number: int) -> object:
        return ada.rows(MANY, number, number)

    outcomes = at_once([lambda n=number: insert(n) for number in range(16)])  # type: ignore[misc]
    assert outcomes.count(None) == len(ada.rows("select id from reports")) == 5
    assert set(outcomes) == {None, "quota_exceeded"}


def test_who_is_no_person_is_not_metered_and_visitors_are_refused(meter: Meter, ada: Person) -> None:
    for number, caller in enumerate((meter.world.service.rows, meter.world.as_dba)):
        caller(MANY, 10 * number, 10 * number + 9)
    meter.world.as_dba("select metering.require('reports')")
    meter.world.service.rows("select look()")
    for statement in ("insert into reports (id) values (99)", "select look()"):
        with refused("not_authenticated"):
            meter.world.anon.rows(statement)
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    for statement in ("insert into reports (id) values (99)", "select look()"):
        with refused("not_authenticated"):
            ada.rows(statement)


def test_to_require_counts_nothing_and_refuses_with_all_that_is_known(meter: Meter, ada: Person) -> None:
    for _ in range(7):
        ada.rows("select look()")
    assert meter.counted(ada, "reports") == (0, 0)
    ada.rows(MANY, 1, 4)
    meter.reserve(ada, action="reports")
    with refused("quota_exceeded", reason="hard_limit", used=4, held=1, requested=1, limit=5, plan="free"):
        ada.rows("select look()")
    meter.let_holds_expire()
    ada.rows("select look()")
    meter.world.as_dba("delete from public.plan_limits where action = 'reports'")
    with refused("quota_exceeded", reason="not_in_plan"):
        ada.rows("select look()")


def test_only_what_is_declared_is_counted(meter: Meter, ada: Person) -> None:
    for action in ("reprots", None):
        with refused("validation_failed", field="action"):
            meter.world.as_dba("select metering.count_writes('public.reports', %s)", action)
        with refused("validation_failed", field="action"):
            meter.world.as_dba("select metering.require(%s)", action)
    with refused("42501"):
        ada.rows("select metering.require('reports')")


def test_a_trigger_that_counted_statements_would_be_noticed(meter: Meter, ada: Person) -> None:
    replaced(meter.world, "metering.count_written()", "select count(*)", "select 1")
    ada.rows(MANY, 1, 9)
    assert meter.counted(ada, "reports") == (1, 0)
