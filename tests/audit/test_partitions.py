"""Months begin at midnight UTC, and a missing one loses nothing."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from tests.acting import World
from tests.audit.log import seal_all, verdict

ROW: LiteralString = """
    insert into audit.log (at, database_role, action, changes) values (%s, 'postgres', 'test', '{}')
    returning tableoid::regclass::text as partition
"""
"""As a replica would apply it: the only way to write a row of another day."""


def _write(world: World, at: str) -> str:
    with psycopg.connect(world.superuser_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("set time zone 'Pacific/Kiritimati'")
        row = connection.execute(ROW, [at]).fetchone()
    assert row
    return str(row[0])


def _months(world: World) -> list[str]:
    rows = world.as_dba(
        "select inhrelid::regclass::text as name from pg_inherits"
        " where inhparent = 'audit.log'::regclass order by 1"
    )
    return [row["name"].removeprefix("audit.log_") for row in rows]


def _make(world: World, month: str) -> None:
    """Months ahead up to this one, from a session whose own midnight is elsewhere."""
    with psycopg.connect(world.database_url) as connection:
        connection.execute("set time zone 'America/Los_Angeles'")
        connection.execute(
            "select audit.create_partitions((extract(year from age) * 12 + extract(month from age))::integer)"
            " from age(%s::timestamp, date_trunc('month', now() at time zone 'UTC')) as age",
            [month],
        )


@pytest.mark.parametrize(
    ("at", "month"),
    [
        ("2030-12-31T23:59:59.999999Z", "2030_12"),
        ("2031-01-01T00:00:00Z", "2031_01"),
        ("2030-12-31T16:00:00-08:00", "2031_01"),
        ("2031-01-01T13:59:59.999+14:00", "2030_12"),
        ("2028-02-29T23:59:59.999Z", "2028_02"),
        ("2028-03-01T00:00:00Z", "2028_03"),
    ],
)
def test_a_month_is_utc_wherever_the_session_lives(world: World, at: str, month: str) -> None:
    _make(world, "2031-01-01")
    assert _write(world, at) == f"audit.log_{month}"


def test_the_months_ahead_are_there_and_making_them_again_makes_nothing(world: World) -> None:
    assert len(_months(world)) == 5
    assert world.as_dba("select audit.create_partitions(3) as made") == [{"made": 0}]
    assert world.as_dba("select audit.create_partitions(5) as made") == [{"made": 2}]


def test_a_row_of_a_missing_month_is_kept_sealed_and_in_nobodys_way(world: World) -> None:
    assert _write(world, "2029-06-15T12:00:00Z") == "audit.log_default"
    _make(world, "2029-08-01")
    assert "2029_05" in _months(world)
    assert "2029_06" not in _months(world), "its rows cannot move"
    assert "2029_07" in _months(world)
    assert _write(world, "2029-06-16T12:00:00Z") == "audit.log_default"
    assert _write(world, "2029-07-01T00:00:00Z") == "audit.log_2029_07"
    seal_all(world)
    assert (verdict(world)["finding"], verdict(world)["sealed_rows"]) == ("ok", 3)


def test_a_write_succeeds_without_any_month(world: World) -> None:
    with psycopg.connect(world.database_url) as connection:
        for month in _months(world):
            if month != "default":
                connection.execute(f"drop table audit.log_{month}")
    ada = world.person("ada")
    ada.rows("update profiles set name = 'Ada'")
    assert world.as_dba("select count(*) from audit.log_default") == [{"count": 2}]
    world.as_dba("select audit.create_partitions(), audit.seal(10000)")
    assert verdict(world)["sealed_rows"] == 2
    assert len(_months(world)) == 4, "this month stays in the default partition"


def test_new_months_refuse_truncation_and_guard_their_rows(world: World) -> None:
    _make(world, "2031-01-01")
    rows = world.as_dba(
        "select c.relrowsecurity and c.relforcerowsecurity as guarded, exists (select from pg_trigger as t"
        " where t.tgrelid = c.oid and t.tgname = '_120_refuse_truncation' and t.tgenabled = 'A') as whole"
        " from pg_class as c where c.oid in (select inhrelid from pg_inherits"
        " where inhparent = 'audit.log'::regclass)"
    )
    assert all(row["guarded"] and row["whole"] for row in rows)
