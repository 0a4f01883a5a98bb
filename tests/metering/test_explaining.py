"""Why can't I? And the export, which is counted before it answers."""

from __future__ import annotations

import uuid

import pytest

from tests.acting import Person, Row, refused
from tests.identity.organizations import found, join
from tests.metering.meter import Meter, at_once


@pytest.fixture
def ada(meter: Meter) -> Person:
    return meter.world.person("ada")


def explained(person: Person, action: str = "export") -> Row:
    answer: Row = person.row("select explain_access(%s) as a", action)["a"]
    return answer


def test_all_that_decides_is_in_one_answer(meter: Meter, ada: Person) -> None:
    answer = explained(ada)
    assert (answer["allowed"], answer["reason"], answer["plan"], answer["plan_from"]) == (
        True,
        None,
        "free",
        "own",
    )
    assert answer["limits"] == {"soft_limit": None, "hard_limit": 3, "cost_limit_micros": None}
    assert (answer["override"], answer["upgrade"], answer["holds"]) == (None, None, [])
    assert answer["rate_limit"]["limit"] == "export"
    assert answer["resets_at"].endswith("-01T00:00:00+00:00")

    meter.consume(ada, amount=2)
    meter.reserve(ada)
    answer = explained(ada)
    assert (answer["allowed"], answer["reason"]) == (False, "hard_limit")
    assert answer["upgrade"]["plan"] == "pro"
    assert [hold["amount"] for hold in answer["holds"]] == [1]
    assert (answer["usage"]["used"], answer["usage"]["held"], answer["usage"]["remaining"]) == (2, 1, 0)

    meter.let_holds_expire()
    assert (explained(ada)["allowed"], explained(ada)["holds"]) == (True, [])
    meter.limit(ada, 1)
    answer = explained(ada)
    assert (answer["reason"], answer["upgrade"], answer["override"]["hard_limit"]) == ("hard_limit", None, 1)


def test_each_reason_is_told_apart(meter: Meter, ada: Person) -> None:
    meter.settle(meter.reserve(ada, action="ai", cost=5), cost=500000)
    assert (explained(ada, "ai")["reason"], explained(ada, "ai")["upgrade"]["plan"]) == ("cost_limit", "pro")
    meter.world.as_dba("update metering.rate_limits set rate = 0.01, burst = 1 where name = 'export'")
    ada.rows("insert into projects (name) values ('P')")
    ada.rows("select export_project(id) from projects")
    answer = explained(ada)
    assert (answer["reason"], answer["upgrade"]) == ("rate_limited", None)
    assert answer["rate_limit"]["retry_after"] > 0
    bob = meter.world.person("bob")
    meter.limit(bob, 1, action="ai")
    assert explained(bob, "ai")["allowed"] is True
    meter.world.as_dba("update metering.budgets set cost_limit_micros = cost_limit_micros / 10")
    assert explained(bob, "ai")["allowed"] is True
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 500001")
    answer = explained(bob, "ai")
    assert (answer["allowed"], answer["reason"], answer["upgrade"]) == (False, "budget", None)
    assert "500001" not in str(answer), "what all may cost is nobody's business"
    meter.world.as_dba("delete from metering.budgets")
    assert (explained(bob, "ai")["reason"], explained(bob)["reason"]) == ("budget", None)
    meter.world.as_dba("delete from public.plan_limits where plan = 'free' and action = 'ai'")
    assert explained(ada, "ai")["reason"] == "not_in_plan"
    for action in ("exprot", None):
        with refused("validation_failed", field="action"):
            ada.rows("select explain_access(%s)", action)


def test_what_expired_holds_no_budget(meter: Meter, ada: Person) -> None:
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 100000")
    meter.reserve(ada, action="ai", cost=100000)
    assert explained(meter.world.person("bob"), "ai")["reason"] == "budget"
    meter.let_holds_expire()
    assert explained(meter.world.person("eve"), "ai")["allowed"] is True


def test_nobody_is_told_about_others(meter: Meter, ada: Person) -> None:
    meter.reserve(meter.world.person("bob"))
    assert (explained(ada)["holds"], explained(ada)["usage"]["held"]) == ([], 0)


def project(person: Person, tasks: int = 2, organization: uuid.UUID | None = None) -> uuid.UUID:
    id_: uuid.UUID = person.row(
        "insert into projects (name, organization_id) values ('Plans', %s) returning id", organization
    )["id"]
    person.rows(
        "insert into tasks (project_id, title) select %s, 'Task ' || n from generate_series(1, %s) as n",
        id_,
        tasks,
    )
    return id_


def export(person: Person, of: uuid.UUID | None, key: str | None = None) -> Row:
    answer: Row = person.row("select export_project(%s, %s) as e", of, key)["e"]
    return answer


def test_an_export_has_the_project_and_its_tasks_and_counts_once_a_key(meter: Meter, ada: Person) -> None:
    plans = project(ada)
    first = export(ada, plans, "k")
    assert (first["project"]["name"], first["tasks_left_out"]) == ("Plans", 0)
    assert sorted(task["title"] for task in first["tasks"]) == ["Task 1", "Task 2"]
    assert first["usage"]["used"] == 1
    ada.rows("delete from tasks where title = 'Task 1'")
    assert [task["title"] for task in export(ada, plans, "k")["tasks"]] == ["Task 2"]
    with refused("conflict"):
        export(ada, project(ada), "k")
    assert meter.counted(ada) == (1, 0)
    assert at_once([lambda: export(ada, plans)] * 8).count(None) == 2
    with refused("quota_exceeded", used=3):
        export(ada, plans)
    assert export(ada, plans, "k")["project"]["id"] == str(plans), "also when nothing is left"
    meter.world.as_dba("update core.idempotency_keys set created_at = created_at - interval '11 minutes'")
    with refused("conflict", idempotency_key="k"):
        export(ada, plans, "k")


def test_what_one_cannot_see_one_cannot_export_and_does_not_pay_for(meter: Meter, ada: Person) -> None:
    eve = meter.world.person("eve")
    engines = found(ada)
    private, shared = project(ada), project(ada, organization=engines)
    deleted = project(eve)
    eve.rows("delete from projects where id = %s", deleted)
    for hidden in (private, shared, deleted, uuid.uuid4()):
        with refused("not_found", field="project_id"):
            export(eve, hidden)
    with refused("validation_failed", field="project_id"):
        export(eve, None)
    assert meter.counted(eve) == (0, 0)
    join(ada, engines, eve, "member")
    assert len(export(eve, shared)["tasks"]) == 2
    with refused("42501"):
        meter.world.anon.rows("select export_project(%s)", shared)
