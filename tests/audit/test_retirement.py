"""Old months go, proven and recorded; the chain stays, and what is left is still proven by it."""

from __future__ import annotations

import json
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.acting import World, refused
from tests.audit.log import seal_all, tamper, verdict
from tests.audit.verifier import verify

JANUARY = "select audit.retire_month('2026-01-15')"
FEBRUARY = "select audit.retire_month('2026-02-01')"


# A retired row comes back, exactly as it was.
RETURNED: LiteralString = (
    "insert into audit.log overriding system value select * from audit.log_2026_01 where id = 5"
)


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
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        for number in range(12):
            connection.execute("select audit.record('work', jsonb_build_object('number', %s::int))", [number])
    tamper(
        world,
        "update audit.log set at = '2026-01-31T12:00:00Z' where id <= 5",
        "update audit.log set at = '2026-02-01T12:00:00Z' where id > 5",
    )
    assert len(seal_all(world, 3)) == 4
    return world


def retired(world: World) -> list[tuple[str, int, str, int]]:
    """What the verdict says is not there."""
    return [(m["partition"], m["rows"], m["by"], m["row_id"]) for m in verdict(world)["retired"]]


def test_a_retired_month_is_out_of_the_log_and_its_table_is_left(old: World) -> None:
    head = verdict(old)["head"]
    assert old.as_dba(JANUARY) == [{"retire_month": 2}]
    assert old.as_dba("select min(id) from audit.log where action = 'work'") == [{"min": 6}]
    assert old.as_dba("select count(*) from audit.log_2026_01") == [{"count": 5}]
    old.as_dba("drop table audit.log_2026_01")

    assert (verdict(old, head)["finding"], verdict(old)["row_id"]) == ("retirement_unsealed", 13)
    with refused("invalid_state", rule="log_is_proven", finding="retirement_unsealed"):
        old.as_dba(FEBRUARY)
    seal_all(old)
    state = verdict(old, head)
    assert (state["finding"], state["from_seal"], state["unsealed_rows"]) == ("ok", 3, 0)
    (row,) = old.as_dba("select changes from audit.log where action = 'retire_month'")
    assert row["changes"] | {"at": None, "digest": None} == {
        "partition": "log_2026_01",
        "at": None,
        "by": "postgres",
        "rows": 5,
        "ids": "{[1,6)}",
        "from_seal": 1,
        "through_seal": 2,
        "digest": None,
    }
    assert [retired(old)] == [[("log_2026_01", 5, "postgres", 13)]]
    assert verify(old.database_url) == (state["head"], ["log_2026_01"])

    assert old.as_dba(FEBRUARY) == [{"retire_month": 4}]
    seal_all(old)
    state = verdict(old, head)
    assert (state["finding"], state["from_seal"]) == ("ok", 5)
    assert [month for month, *_ in retired(old)] == ["log_2026_01", "log_2026_02"]
    assert verify(old.database_url) == (state["head"], ["log_2026_01", "log_2026_02"])


def test_a_retirement_outlives_the_month_in_which_it_was_recorded(old: World) -> None:
    old.as_dba(JANUARY)
    tamper(old, "update audit.log set at = '2026-02-03T12:00:00Z' where id = 13")
    tamper(
        old,
        'update audit.log set changes = changes || \'{"at": "2026-02-03T12:00:00Z"}\' where id = 13',
    )
    seal_all(old)
    told = retired(old)
    assert verdict(old)["finding"] == "ok"
    old.as_dba(FEBRUARY)
    seal_all(old)
    state = verdict(old)
    assert (state["finding"], [month for month, *_ in retired(old)]) == ("ok", ["log_2026_01", "log_2026_02"])
    assert retired(old)[0][:3] == told[0][:3], "who retired it, as it was said first"
    assert verify(old.database_url) == (state["head"], ["log_2026_01", "log_2026_02"])


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
        ("delete from audit.log where id = 6", "row_removed", 6),
        ("delete from audit.log where id > 5 and id < 13", "row_removed", 6),
        ("delete from audit.log where action = 'retire_month'", "row_removed", 1),
        ('update audit.log set changes = changes || \'{"ids": "{[1,7)}"}\' where id = 13', "row_removed", 1),
        (RETURNED, "row_inserted", 5),
    ],
)
def test_what_is_left_is_still_proven(
    old: World, statement: LiteralString, finding: str, row_id: int
) -> None:
    """Also the rows that share a seal with retired ones."""
    old.as_dba(JANUARY)
    seal_all(old)
    tamper(old, statement)
    assert (verdict(old)["finding"], verdict(old)["row_id"]) == (finding, row_id)
    with pytest.raises(AssertionError):
        verify(old.database_url)


ALL_BUT_IT: LiteralString = "delete from audit.log where id <= 12"
FIRST_TWO: LiteralString = "delete from audit.log where id <= 2"
THREE: LiteralString = "delete from audit.log where id <= 3"

# What hides everything, hides a single row, breaks audit.verify, or says nothing at all.
CRUDE: list[tuple[str, LiteralString | None, str, int]] = [
    ('{"through_seal": 999999}', ALL_BUT_IT, "row_removed", 1),
    ('{"through_seal": 1}', "delete from audit.log where id = 2", "row_removed", 2),
    ('{"through_seal": "x"}', None, "retirement_unproven", 13),
    ("{}", None, "retirement_unproven", 13),
    ("[]", None, "retirement_unproven", 13),
    ("null", None, "retirement_unproven", 13),
]

# Right, but for this; and which rows are not there.
SUBTLE: list[tuple[str, LiteralString | None, str, int]] = [
    ("{}", None, "row_inserted", 1),
    ("{}", THREE, "row_removed", 3),
    ('{"ids": "{(,)}"}', None, "retirement_unproven", 13),
    ('{"ids": "{[-9223372036854775808,9223372036854775807)}"}', None, "retirement_unproven", 13),
    ('{"ids": "{[1,3)"}', None, "retirement_unproven", 13),
    ('{"rows": 1e99}', None, "retirement_unproven", 13),
    ('{"at": "tomorrow, perhaps"}', None, "retirement_unproven", 13),
    ('{"partition": "log_0000_00"}', None, "retirement_unproven", 13),
    ('{"rows": 3}', FIRST_TWO, "row_removed", 1),
    ('{"ids": "{[1,4)}"}', THREE, "row_removed", 1),
    ('{"digest": "00"}', FIRST_TWO, "row_removed", 1),
    ('{"digest": null}', FIRST_TWO, "row_removed", 1),
    ('{"by": null}', FIRST_TWO, "row_removed", 1),
    ('{"through_seal": 9}', FIRST_TWO, "row_removed", 1),
    ('{"from_seal": 2, "through_seal": 1}', FIRST_TWO, "row_removed", 1),
    ('{"at": "2025-11-30T00:00:00Z"}', FIRST_TWO, "row_removed", 1),
    ('{"at": "infinity"}', FIRST_TWO, "row_removed", 1),
    ('{"partition": "log_2026_02"}', FIRST_TWO, "row_removed", 1),
]

HONEST: LiteralString = """
    select jsonb_build_object(
        'partition', 'log_2025_11', 'at', '2026-01-05T00:00:00Z', 'by', 'postgres', 'rows', r.row_count,
        'ids', '{[1,3)}', 'from_seal', 1, 'through_seal', 1, 'digest', r.digest
    ) as content
    from audit.sealed_rows('{[1,3)}', 1, 1) as r
"""


def forge(world: World, **but: object) -> None:
    """A retirement of the rows 1 and 2 that says all the right things, but for these."""
    write(world, world.as_dba(HONEST)[0]["content"] | but)


def write(world: World, content: object) -> None:
    """A retirement by an owner with triggers off, in the place of a row that audit.record wrote."""
    world.as_dba("select audit.record('fresh')")
    with psycopg.connect(world.database_url) as connection:
        connection.execute("alter table audit.log disable trigger user")
        connection.execute(
            "update audit.log set action = 'retire_month', changes = %s where action = 'fresh'",
            [Jsonb(content)],
        )
        connection.execute("alter table audit.log enable trigger user")


def assert_found(world: World, statement: LiteralString | None, finding: str, row_id: int) -> None:
    seal_all(world)
    if statement:
        tamper(world, statement)
    state = verdict(world)
    assert (state["finding"], state["row_id"]) == (finding, row_id)
    with pytest.raises(AssertionError):
        verify(world.database_url)


@pytest.mark.parametrize(("content", "statement", "finding", "row_id"), CRUDE)
def test_a_crude_forgery_is_not_believed(
    old: World, content: str, statement: LiteralString | None, finding: str, row_id: int
) -> None:
    write(old, json.loads(content))
    assert_found(old, statement, finding, row_id)


@pytest.mark.parametrize(("content", "statement", "finding", "row_id"), SUBTLE)
def test_a_subtle_forgery_is_not_believed(
    old: World, content: str, statement: LiteralString | None, finding: str, row_id: int
) -> None:
    forge(old, **json.loads(content))
    assert_found(old, statement, finding, row_id)


def test_a_perfect_forgery_is_listed_and_proves_nothing_before_it_is_sealed(old: World) -> None:
    head = verdict(old)["head"]
    forge(old)
    tamper(old, "delete from audit.log where id <= 2")
    assert (verdict(old, head)["finding"], verdict(old)["row_id"]) == ("retirement_unsealed", 13)
    with pytest.raises(AssertionError):
        verify(old.database_url)

    seal_all(old)
    assert verdict(old, head)["finding"] == "ok", "an owner can retire what he likes"
    assert retired(old) == [("log_2025_11", 2, "postgres", 13)], "but not unseen"
    assert verify(old.database_url)[1] == ["log_2025_11"]


def test_a_retirement_does_not_cover_what_was_sealed_with_it(old: World) -> None:
    """Nor itself: whoever forges one has to leave it in the log, under a seal of its own."""
    forge(old, ids="{[13,14)}", rows=1, from_seal=5, through_seal=5)
    seal_all(old)
    assert (verdict(old)["finding"], verdict(old)["row_id"]) == ("retirement_unproven", 13)


def test_a_month_is_retired_once(old: World) -> None:
    old.as_dba(JANUARY)
    forge(old, partition="log_2026_01", at="2026-02-03T00:00:00Z")
    seal_all(old)
    assert (verdict(old)["finding"], verdict(old)["row_id"]) == ("retirement_unproven", 14)
    with pytest.raises(AssertionError):
        verify(old.database_url)


def test_only_retiring_records_retirements(world: World) -> None:
    with refused("validation_failed", field="action", rule="retirements_are_not_told"):
        world.as_dba("select audit.record('retire_month', '{\"through_seal\": 999999}')")


def test_what_was_retired_before_the_proven_seal_is_listed_and_not_read(old: World) -> None:
    old.as_dba(JANUARY)
    seal_all(old)
    old.as_dba("select audit.record('fresh')")
    seal_all(old)
    state = old.as_dba("select * from audit.verify(null, 6)")[0]
    assert (state["finding"], state["from_seal"], state["retired"][0]["rows"]) == ("ok", 6, 5)


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
    assert verify(another_world.database_url) == (head, [])

    another_world.as_dba("select audit.record('later')")
    seal_all(another_world)
    state = verdict(another_world, head)
    assert (state["finding"], state["sealed_rows"], state["unsealed_rows"]) == ("ok", 14, 0)


def test_a_restore_that_lost_a_row_is_noticed(old: World, another_world: World) -> None:
    copy(old, another_world, "log", without=7)
    copy(old, another_world, "seals")
    assert (verdict(another_world)["finding"], verdict(another_world)["row_id"]) == ("row_removed", 7)
