"""What admins allow beyond the plans; for everybody else it does not exist."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest

from tests.acting import Person, refused
from tests.billing.subscribing import subscribe
from tests.metering.conftest import meter
from tests.metering.meter import Meter, at_once

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

    status = admin.row(
        "select * from admin_set_limit(%s, 'export', reason => 'For ever', unlimited => '{hard_limit}')",
        ada.id,
    )
    assert (status["remaining"], status["soft_limit"]) == (None, 5)
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
        ((ada.id, "export", None, None, None, "x", None), "hard_limit"),
        ((None, "export", 1, None, None, "x", None), "user_id"),
    ):
        with refused("validation_failed", field=field):
            admin.rows(SET, *values)
    for unlimited in (["hard"], ["hard_limit", None], ["soft_limit"], None):
        with refused("validation_failed", field="unlimited"):
            admin.rows(
                "select admin_set_limit(%s, 'export', soft_limit => 1, reason => 'x', unlimited => %s)",
                ada.id, unlimited,
            )  # fmt: skip
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    with refused("not_found"):
        admin.rows(SET, ada.id, "export", 1, None, None, "x", None)
    with refused("not_found"):
        admin.rows("select admin_limits(%s)", ada.id)


AI = "hard_limit", "soft_limit", "cost_limit_micros"


def test_what_is_left_out_stays_as_it_is(meter: Meter, admin: Person) -> None:
    ada = meter.world.person("ada")
    subscribe(meter.world, ada.id)

    def set_ai(**said: object) -> tuple[object, ...]:
        all_: dict[str, object] = dict.fromkeys(AI) | {"unlimited": []} | said
        status = admin.row(
            "select * from admin_set_limit(%s, 'ai', %s, %s, %s, 'why', null, %s)",
            ada.id, all_["hard_limit"], all_["soft_limit"], all_["cost_limit_micros"], all_["unlimited"],
        )  # fmt: skip
        return tuple(status[name] for name in AI)

    assert set_ai(hard_limit=1000) == (1000, 100, 20_000_000), "from the plan: no cap is lifted unsaid"
    assert set_ai(cost_limit_micros=5) == (1000, 100, 5), "from the override"
    assert set_ai() == (1000, 100, 5)
    assert set_ai(hard_limit=50) == (50, 50, 5), "nobody has to think of the soft limit"
    assert set_ai(unlimited=["soft_limit", "cost_limit_micros"]) == (50, None, None)
    assert set_ai(unlimited=["hard_limit"], soft_limit=7) == (None, 7, None)
    assert set_ai(hard_limit=0, unlimited=["soft_limit"]) == (0, None, None)
    admin.rows("select admin_clear_limit(%s, 'ai')", ada.id)
    assert set_ai(soft_limit=3) == (500, 3, 20_000_000), "what ended does not come back"


def test_admins_at_once_undo_nothing_of_each_other(meter: Meter, admin: Person) -> None:
    ada = meter.world.person("ada")
    calls: tuple[LiteralString, ...] = (
        "select admin_set_limit(%s, 'export', hard_limit => 8, reason => 'a')",
        "select admin_set_limit(%s, 'export', soft_limit => 2, reason => 'b')",
        "select admin_set_limit(%s, 'export', cost_limit_micros => 9, reason => 'c')",
    )
    for _ in range(3):
        assert at_once([lambda c=call: admin.rows(c, ada.id) for call in calls]) == [None] * 3  # type: ignore[misc]
        admin.rows("select admin_clear_limit(%s, 'export')", ada.id)
        calls = (*calls[1:], calls[0])
    assert at_once([lambda c=call: admin.rows(c, ada.id) for call in calls]) == [None] * 3  # type: ignore[misc]
    export = admin.row("select admin_limits(%s) as l", ada.id)["l"]["actions"][1]
    assert tuple(export[name] for name in AI) == (8, 2, 9)


def test_an_admin_sets_what_all_may_cost(meter: Meter, admin: Person) -> None:
    ada = meter.world.person("ada")
    meter.reserve(ada, action="ai", cost=300)
    budget = admin.row("select admin_set_budget('ai', 500, 'Careful') as b")["b"]
    assert (budget["cost_limit_micros"], budget["cost_micros"], budget["held_cost_micros"]) == (500, 0, 300)
    with refused("provider_unavailable"):
        meter.reserve(ada, action="ai", cost=201)
    for values, field in (
        (("ai", -1, "x"), "cost_limit_micros"),
        (("ai", 1, None), "reason"),
        (("exprot", 1, "x"), "action"),
        ((None, 1, "x"), "action"),
    ):
        with refused("validation_failed", field=field):
            admin.rows("select admin_set_budget(%s, %s, %s)", *values)

    (seen,) = admin.rows("select * from admin_budgets()")
    assert (seen["action"], seen["name"], seen["reason"]) == ("ai", "AI", "Careful")
    assert (seen["cost_limit_micros"], seen["cost_micros"], seen["held_cost_micros"]) == (500, 0, 300)
    admin.rows("select admin_set_budget('ai', null, 'Enough')")
    (seen,) = admin.rows("select * from admin_budgets()")
    assert (seen["cost_limit_micros"], seen["held_cost_micros"]) == (None, 300)
    with refused("provider_unavailable", scope="installation", reason="budget", action="ai"):
        meter.reserve(ada, action="ai", cost=1)
    with refused("not_found"):
        admin.rows("select admin_set_budget('ai', null, 'Enough')")
    (last, why) = meter.world.as_dba(
        "select action, user_id, changes -> 'reason' ->> 1 as reason from audit.log"
        " where table_name = 'metering.budgets' order by id desc limit 2"
    )
    assert (last["action"], last["user_id"], why["reason"]) == ("delete", admin.id, "Enough")


def test_an_admin_finds_people_by_their_address(meter: Meter, admin: Person) -> None:
    people = {name: meter.world.person(name) for name in ("ada", "adam", "a_a", "axa")}
    subscribe(meter.world, people["adam"].id)

    def found(email: str) -> list[str]:
        return [row["email"] for row in admin.rows("select * from admin_people(%s)", email)]

    assert found(" ADA") == ["ada@example.com", "adam@example.com"]
    assert found("a_") == ["a_a@example.com"]
    assert found("%") == []
    (adam,) = admin.rows("select * from admin_people('adam@example.com')")
    assert (adam["id"], adam["role"], adam["plan"]) == (people["adam"].id, "user", "pro")
    meter.world.as_auth_service("delete from auth.users where id = %s", people["ada"].id)
    assert found("ada") == ["adam@example.com"]
    for email in (None, " ", "x" * 321):
        with refused("validation_failed", field="email"):
            admin.rows("select * from admin_people(%s)", email)


def test_for_others_it_does_not_exist(meter: Meter) -> None:
    eve = meter.world.person("eve")
    calls: tuple[LiteralString, ...] = (
        "select admin_set_limit(auth.uid(), 'export', null, null, null, 'please')",
        "select admin_clear_limit(auth.uid(), 'export')",
        "select admin_limits(auth.uid())",
        "select admin_set_budget('ai', 0, 'please')",
        "select admin_budgets()",
        "select admin_people('a')",
    )
    for call in calls:
        with refused("forbidden"):
            eve.rows(call)
        with refused("42501"):
            meter.world.anon.rows(call)
