"""What clients try: to write what is counted, to hold, settle and release, to see what others used."""

from __future__ import annotations

from typing import LiteralString

from tests.acting import Caller, refused
from tests.metering.limits import limit
from tests.metering.meter import Meter

WRITES: tuple[LiteralString, ...] = (
    "insert into usage (user_id, action, month) values (auth.uid(), 'ai', '2026-01-01')",
    "update usage set count = 0",
    "update usage set held = 0, cost_micros = 0",
    "delete from usage",
    "truncate usage",
    "insert into usage (user_id, action, month, count) values (auth.uid(), 'export', '2026-01-01', 0)"
    " on conflict (user_id, action, month) do update set count = 0",
    "update plan_limits set hard_limit = 1000",
    "insert into plan_limits (plan, action) values ('free', 'ai')",
    "delete from plan_limits",
    "update profiles set subscription_tier = 'pro'",
    "insert into metering.overrides (user_id, action, reason) values (auth.uid(), 'export', 'please')",
    "update metering.reservations set status = 'released'",
    "delete from metering.reservations",
    "update metering.budgets set cost_limit_micros = 0",
    "update metering.spending set cost_micros = 0",
    "select * from metering.overrides",
    "select * from metering.limits",
    "select * from metering.spending",
)

CALLS: tuple[LiteralString, ...] = (
    "select reserve_usage(auth.uid(), 'export')",
    "select settle_usage(%(held)s, 0)",
    "select release_usage(%(held)s)",
    "select metering.release(%(held)s)",
    "select metering.release_usage(%(held)s)",
    "select metering.settle(%(held)s, 0, 0)",
    "select metering.consume(auth.uid(), 'export', 1)",
    "select metering.record_cost(auth.uid(), 'ai', '2026-01-01', 1)",
    "select metering.spend('ai', '2026-01-01', -1, 0)",
    "select metering.end_all_expired_holds()",
    "select metering.status(%(victim)s, 'export')",
    "select metering.consume_usage('export', 1, null)",
)


def test_clients_write_nothing_and_hold_nothing(meter: Meter) -> None:
    ada, eve = meter.world.person("ada"), meter.world.person("eve")
    held = meter.reserve(ada)
    mine = meter.reserve(eve)
    meter.consume(eve, amount=2)
    callers: tuple[Caller, ...] = (eve, meter.world.anon)
    for caller in callers:
        for statement in WRITES:
            with refused("42501"):
                caller.rows(statement)
        for call in CALLS:
            for reservation in (held, mine):
                with refused("42501"), caller.transaction() as connection:
                    connection.execute(call, {"held": reservation, "victim": ada.id})
    assert (meter.counted(ada), meter.counted(eve)) == ((0, 1), (2, 1))


def test_not_even_a_back_office_writes_past_the_functions(meter: Meter) -> None:
    meter.consume(meter.world.person("ada"))
    for statement in WRITES:
        with refused("42501"):
            meter.world.service.rows(statement)
    assert meter.world.service.row("select count from usage") == {"count": 1}


def test_people_see_what_they_used_and_nobody_else_does(meter: Meter) -> None:
    ada, eve = meter.world.person("ada"), meter.world.person("eve")
    meter.consume(ada, amount=2)
    assert ada.rows("select action, count from usage") == [{"action": "export", "count": 2}]
    assert eve.rows("select * from usage") == []
    with refused("42501"):
        meter.world.anon.rows("select * from usage")
    used = {row["action"]: (row["used"], row["remaining"]) for row in eve.rows("select * from my_usage()")}
    assert used == {"ai": (0, 5), "export": (0, 3)}


def test_what_plans_include_may_be_compared_by_anyone(meter: Meter) -> None:
    query: LiteralString = (
        "select plan, action, soft_limit, hard_limit, cost_limit_micros from plan_limits order by 1, 2"
    )
    rows = [tuple(row.values()) for row in meter.world.anon.rows(query)]
    assert rows == [
        ("free", "ai", None, 5, 500000),
        ("free", "export", None, 3, None),
        ("pro", "ai", 100, 500, 20000000),
        ("pro", "export", None, None, None),
    ]


def test_what_limits_say_is_in_the_audit_log(meter: Meter) -> None:
    meter.limit(meter.world.person("ada"), 9)
    meter.world.as_dba(
        "update public.plan_limits set hard_limit = 4 where plan = 'free' and action = 'export'"
    )
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 1")
    rows = meter.world.as_dba(
        "select table_name from audit.log where table_name ~ 'overrides|plan_limits|budgets' order by id"
    )
    assert [row["table_name"] for row in rows] == [
        "metering.overrides",
        "public.plan_limits",
        "metering.budgets",
    ]


def test_idempotency_keys_are_not_kept_without_end(meter: Meter) -> None:
    """Where nothing limits the action, each key would be a row of whoever likes to write."""
    ada = meter.world.person("ada")
    meter.limit(ada, None)
    limit(meter.world, "usage_keys", burst=2)
    first = meter.consume(ada, key="a")
    meter.consume(ada, key="b")
    with refused("rate_limited", limit="usage_keys"):
        meter.consume(ada, key="c")
    assert meter.consume(ada, key="a") == first, "a repetition keeps no other"
    assert meter.consume(ada)["used"] == 3
