"""What admins allow beyond the plans; for everybody else it does not exist."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest

from tests.acting import Person, refused
from tests.metering.conftest import meter
from tests.metering.meter import Meter

__all__ = ["meter"]

SET: LiteralString = "select * from admin_set_limit(%s, %s, %s, %s, %s, %s, %s)"


@pytest.fixture
def admin(meter: Meter) -> Person:
    grace = meter.world.person("grace")
    meter.world.as_dba("update public.profiles set role = 'admin' where id = %s", grace.id)
    return grace


def test_an_admin_allows_more_and_takes_it_back(meter: Meter, admin: Person) -> None:
    ada = meter.world.person("ada")
    soon = datetime.now(UTC) + timedelta(days=1)
    status = admin.row(SET, ada.id, "export", 10, 5, None, "A fair", soon)
    assert (status["hard_limit"], status["soft_limit"], status["remaining"]) == (10, 5, 10)
    assert meter.consume(ada, amount=9)["remaining"] == 1
    seen = admin.row("select admin_limits(%s) as l", ada.id)["l"]
    assert (seen["plan"], seen["plan_from"]) == ("free", "own")
    _, export = seen["actions"]
    assert (export["used"], export["override"]["reason"], export["override_counts"]) == (9, "A fair", True)
    assert export["override"]["set_by"] == str(admin.id)

    status = admin.row(SET, ada.id, "export", None, None, None, "For ever", None)
    assert status["remaining"] is None
    status = admin.row("select * from admin_clear_limit(%s, 'export', 'Enough')", ada.id)
    assert (status["hard_limit"], status["remaining"]) == (3, 0)
    _, export = admin.row("select admin_limits(%s) as l", ada.id)["l"]["actions"]
    assert (export["override"]["reason"], export["override_counts"]) == ("Enough", False)
    with refused("not_found"):
        admin.rows("select admin_clear_limit(%s, 'export')", ada.id)
    rows = meter.world.as_dba(
        "select action, user_id from audit.log where table_name = 'metering.overrides' order by id"
    )
    assert [(row["action"], row["user_id"]) for row in rows] == [
        ("insert", admin.id), ("update", admin.id), ("update", admin.id),
    ]  # fmt: skip


def test_nonsense_overrides_nothing(meter: Meter, admin: Person) -> None:
    ada, past = meter.world.person("ada"), datetime.now(UTC) - timedelta(hours=1)
    for values, field in (
        ((ada.id, "export", -1, None, None, "x", None), "hard_limit"),
        ((ada.id, "export", 1, -1, None, "x", None), "soft_limit"),
        ((ada.id, "export", 1, 2, None, "x", None), "soft_limit"),
        ((ada.id, "export", 1, None, -1, "x", None), "cost_limit_micros"),
        ((ada.id, "export", 1, None, None, None, None), "reason"),
        ((ada.id, "export", 1, None, None, " ", None), "reason"),
        ((ada.id, "export", 1, None, None, "x", past), "expires_at"),
        ((ada.id, "export", 1, None, None, "x", "infinity"), "expires_at"),
        ((ada.id, "exprot", 1, None, None, "x", None), "action"),
        ((ada.id, None, 1, None, None, "x", None), "action"),
        ((None, "export", 1, None, None, "x", None), "user_id"),
    ):
        with refused("validation_failed", field=field):
            admin.rows(SET, *values)
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    with refused("not_found"):
        admin.rows(SET, ada.id, "export", 1, None, None, "x", None)
    with refused("not_found"):
        admin.rows("select admin_limits(%s)", ada.id)


def test_an_admin_sets_what_all_may_cost(meter: Meter, admin: Person) -> None:
    ada = meter.world.person("ada")
    meter.reserve(ada, action="ai", cost=300)
    budget = admin.row("select admin_set_budget('ai', 500, 'Careful') as b")["b"]
    assert (budget["cost_limit_micros"], budget["cost_micros"], budget["held_cost_micros"]) == (500, 0, 300)
    with refused("provider_unavailable"):
        meter.reserve(ada, action="ai", cost=201)
    for values, field in (
        (("ai", -1, "x"), "cost_limit_micros"),
        (("ai", None, "x"), "cost_limit_micros"),
        (("ai", 1, None), "reason"),
        (("exprot", 1, "x"), "action"),
        ((None, 1, "x"), "action"),
    ):
        with refused("validation_failed", field=field):
            admin.rows("select admin_set_budget(%s, %s, %s)", *values)


def test_for_others_it_does_not_exist(meter: Meter) -> None:
    eve = meter.world.person("eve")
    calls: tuple[LiteralString, ...] = (
        "select admin_set_limit(auth.uid(), 'export', null, null, null, 'please')",
        "select admin_clear_limit(auth.uid(), 'export')",
        "select admin_limits(auth.uid())",
        "select admin_set_budget('ai', 0, 'please')",
    )
    for call in calls:
        with refused("forbidden"):
            eve.rows(call)
        with refused("42501"):
            meter.world.anon.rows(call)
