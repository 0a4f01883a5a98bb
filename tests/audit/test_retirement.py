"""Old months go, proven and recorded; the chain stays, and what is left is still proven by it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.acting import World, refused
from tests.audit.log import seal_all, tamper, verdict
from tests.audit.verifier import verify

JANUARY = "select audit.retire_month('2026-01-15')"


@pytest.fixture
def old(world: World) -> World:
    """Twelve rows under four seals: five of January, seven of February, which share the second seal."""
    with psycopg.connect(world.database_url) as connection:
        for month, following in (("01", "02"), ("02", "03")):
            connection.execute(f"create table audit.log_2026_{month} (like audit.log including defaults)")
            connection.execute(f"select audit.guard_partition('log_2026_{month}')")
            connection.execute(
                f"alter table audit.log attach partition audit.log_2026_{month}"
                f" for values from ('2026-{month}-01T00:00:00Z') to ('2026-{following}-01T00:00:00Z')"
            )
    for number in range(12):
        world.as_dba("select audit.record('work', jsonb_build_object('number', %s::int))", number)
    tamper(
        world,
        "update audit.log set at = '2026-01-31T12:00:00Z' where id <= 5",
        "update audit.log set at = '2026-02-01T12:00:00Z' where id > 5",
    )
    assert len(seal_all(world, 3)) == 4
    return world


def test_a_retired_month_is_out_of_the_log_and_its_table_is_left(old: World) -> None:
    head = verdict(old)["head"]
    assert old.as_dba(JANUARY) == [{"retire_month": 2}]
    assert old.as_dba("select min(id) from audit.log where action = 'work'") == [{"min": 6}]
    assert old.as_dba("select count(*) from audit.log_2026_01") == [{"count": 5}]
    old.as_dba("drop table audit.log_2026_01")

    seal_all(old)
    state = verdict(old, head)
    assert (state["finding"], state["from_seal"], state["unsealed_rows"]) == ("ok", 3, 0)
    (row,) = old.as_dba("select changes from audit.log where action = 'retire_month'")
    assert row["changes"] == {"partition": "log_2026_01", "rows": 5, "through_seal": 2}

    assert old.as_dba("select audit.retire_month('2026-02-01')") == [{"retire_month": 4}]
    assert (verdict(old, head)["finding"], verdict(old)["from_seal"]) == ("ok", 5)


def test_an_export_is_proven_by_the_seals_that_stay(old: World) -> None:
    old.as_dba(JANUARY)
    (row,) = old.as_dba(
        "select bool_and(sha256(audit.row_bytes(jsonb_populate_record(null::audit.log, to_jsonb(l))))"
        " = substr(s.row_hashes, 32 * array_position(s.row_ids, l.id) - 31, 32)) as proven, count(*)"
        " from audit.log_2026_01 as l inner join audit.seals as s on l.id = any (s.row_ids)"
    )
    assert row == {"proven": True, "count": 5}


@pytest.mark.parametrize(
    ("statement", "finding", "row_id"),
    [
        ("update audit.log set changes = '{}' where id = 6", "row_changed", 6),
        ("update audit.log set transaction_id = '99999999' where id = 6", "row_changed", 6),
        ("delete from audit.log where id = 7", "row_removed", 7),
        ("delete from audit.log where id = 6", "ok", None),
    ],
)
def test_what_is_left_is_still_proven(old: World, statement: str, finding: str, row_id: int | None) -> None:
    """But for the removal of rows that share a seal with retired ones: from_seal says where that ends."""
    old.as_dba(JANUARY)
    seal_all(old)
    tamper(old, statement)
    assert (verdict(old)["finding"], verdict(old)["row_id"]) == (finding, row_id)
    assert verdict(old)["from_seal"] == 3


def test_only_what_is_over_oldest_proven_and_sealed_is_retired(old: World) -> None:
    with refused("invalid_state", rule="oldest_first", oldest="log_2026_01"):
        old.as_dba("select audit.retire_month('2026-02-01')")
    with refused("validation_failed", field="month"):
        old.as_dba("select audit.retire_month(null)")
    tamper(old, "delete from audit.seals where id > 1")
    with refused("invalid_state", rule="month_is_sealed"):
        old.as_dba(JANUARY)
    seal_all(old)
    tamper(old, "update audit.log set changes = '{}' where id = 12")
    with refused("invalid_state", rule="log_is_proven", finding="row_changed"):
        old.as_dba(JANUARY)
    assert old.as_dba("select count(*) from audit.log") == [{"count": 12}], "nothing was detached"


def test_the_present_month_stays(world: World) -> None:
    with refused("invalid_state", rule="month_is_over"):
        world.as_dba("select audit.retire_month((now() at time zone 'UTC')::date)")


def copy(source: World, target: World, table: str, without: int = 0) -> None:
    """What a dump and its restoring do, by whoever may switch triggers off."""
    dump = sql.SQL("copy (select * from audit.{} where id <> {}) to stdout")
    restore = sql.SQL("copy audit.{} from stdin").format(sql.Identifier(table))
    with psycopg.connect(source.database_url) as from_, psycopg.connect(target.superuser_url) as to:
        to.execute("set session_replication_role = replica")
        with (
            from_.cursor().copy(dump.format(sql.Identifier(table), without)) as rows,
            to.cursor().copy(restore) as into,
        ):
            for data in rows:
                into.write(data)


def test_the_chain_is_carried_over_a_logical_restore(old: World, another_world: World) -> None:
    old.as_dba("select audit.record('fresh')")
    head = verdict(old)["head"]
    copy(old, another_world, "log")
    copy(old, another_world, "seals")
    another_world.as_dba(
        "select setval(pg_get_serial_sequence('audit.log', 'id'), (select max(id) from audit.log))"
    )
    assert verdict(another_world, head) == verdict(old, head)
    assert verify(another_world.database_url) == head

    another_world.as_dba("select audit.record('later')")
    seal_all(another_world)
    state = verdict(another_world, head)
    assert (state["finding"], state["sealed_rows"], state["unsealed_rows"]) == ("ok", 14, 0)


def test_a_restore_that_lost_a_row_is_noticed(old: World, another_world: World) -> None:
    copy(old, another_world, "log", without=7)
    copy(old, another_world, "seals")
    assert (verdict(another_world)["finding"], verdict(another_world)["row_id"]) == ("row_removed", 7)
