"""Whatever somebody with owner rights does to the log, audit.verify names the first row or seal."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from tests.acting import Row, World, refused
from tests.audit.log import seal_all, tamper, verdict
from tests.audit.verifier import verify


@pytest.fixture
def sealed(world: World) -> World:
    """Thirty rows of thirty transactions under six seals, and two rows not sealed yet."""
    for number in range(30):
        world.as_dba("select audit.record('work', jsonb_build_object('number', %s::int))", number)
    assert len(seal_all(world, 5)) == 6
    world.as_dba("select audit.record('fresh') from generate_series(1, 2)")
    assert verify(world.database_url) == (verdict(world)["head"], [])
    return world


def test_an_untouched_log_is_ok_and_its_tail_is_reported(sealed: World) -> None:
    state = verdict(sealed)
    assert (state["finding"], state["row_id"], state["seal_id"]) == ("ok", None, None)
    assert (state["seals"], state["sealed_rows"], state["unsealed_rows"]) == (6, 30, 2)
    assert state["unsealed_since"] is not None
    first = sealed.as_dba("select hash from audit.seals where id = 3")[0]["hash"]
    seal_all(sealed)
    assert verdict(sealed, first)["finding"] == "ok", "an older head is part of the chain"


def test_an_empty_log_is_ok(world: World) -> None:
    assert (verdict(world)["finding"], verdict(world)["head"]) == ("ok", None)
    assert verdict(world, b"x" * 32)["finding"] == "head_missing"


INSERT: LiteralString = (
    "insert into audit.log overriding system value"
    " select * from jsonb_populate_record((select l from audit.log as l where l.id = 17), '{}') as r"
)

ROWS: list[tuple[LiteralString, str, int]] = [
    ("update audit.log set changes = '{}' where id = 17", "row_changed", 17),
    ("update audit.log set at = at + interval '1 microsecond' where id = 17", "row_changed", 17),
    ("update audit.log set database_role = 'x' where id = 17", "row_changed", 17),
    ("update audit.log set user_id = gen_random_uuid() where id = 17", "row_changed", 17),
    ("update audit.log set actor = '' where id = 17", "row_changed", 17),
    ("update audit.log set request_id = 'r' where id = 17", "row_changed", 17),
    ("update audit.log set table_name = 't' where id = 17", "row_changed", 17),
    ("update audit.log set row_key = 'k' where id = 17", "row_changed", 17),
    ("update audit.log set action = 'other' where id = 17", "row_changed", 17),
    ("update audit.log set at = '2026-12-31T23:59:59.999Z' where id = 17", "row_changed", 17),
    ("update audit.log set at = '2040-01-01' where id = 17", "row_changed", 17),
    ("update audit.log set transaction_id = '99999999' where id = 17", "row_changed", 17),
    (
        "update audit.log as l set transaction_id = s.transaction_id from audit.log as s"
        " where s.id = 3 and l.id = 17",
        "row_changed",
        17,
    ),
    ("update audit.log set changes = '{}' where id in (29, 12, 20)", "row_changed", 12),
    ("delete from audit.log where id = 17", "row_removed", 17),
    ("delete from audit.log where id > 16", "row_removed", 17),
    ("delete from audit.log where id in (1, 30)", "row_removed", 1),
    ("truncate audit.log", "row_removed", 1),
    (
        "insert into audit.log overriding system value select 1000, at, transaction_id, database_role,"
        " user_id, actor, request_id, table_name, row_key, action, changes from audit.log where id = 17",
        "row_inserted",
        1000,
    ),
    (
        "insert into audit.log overriding system value select 17, at - interval '1 s', transaction_id,"
        " database_role, user_id, actor, request_id, table_name, row_key, action, changes"
        " from audit.log where id = 17",
        "row_changed",
        17,
    ),
]


@pytest.mark.parametrize(("statement", "finding", "row_id"), ROWS)
def test_a_touched_row_is_named(sealed: World, statement: LiteralString, finding: str, row_id: int) -> None:
    if statement.startswith("truncate"):
        with psycopg.connect(sealed.database_url) as connection:
            for name in connection.execute("select inhrelid::regclass::text from pg_inherits").fetchall():
                if name[0].startswith("audit.log") and not name[0].endswith(("pkey", "idx")):
                    connection.execute(f"alter table {name[0]} disable trigger user")
            connection.execute("alter table audit.log disable trigger user")
            connection.execute(statement)
    else:
        tamper(sealed, statement)
    state = verdict(sealed)
    assert (state["finding"], state["row_id"]) == (finding, row_id)
    with pytest.raises(AssertionError):
        verify(sealed.database_url)


def test_a_dropped_month_is_missed(sealed: World) -> None:
    partition = sealed.as_dba("select tableoid::regclass::text as name from audit.log limit 1")[0]["name"]
    sealed.as_dba(f"drop table {partition}")
    assert (verdict(sealed)["finding"], verdict(sealed)["row_id"]) == ("row_removed", 1)


SEALS: list[tuple[LiteralString, str, int]] = [
    ("update audit.seals set sealed_at = now() where id = 3", "seal_changed", 3),
    ("update audit.seals set hash = sha256('x') where id = 3", "seal_changed", 3),
    ("update audit.seals set previous_hash = sha256('x') where id = 3", "seal_changed", 3),
    ("update audit.seals set through_id = 16 where id = 3", "seal_changed", 3),
    ("update audit.seals set row_ids[2] = 99 where id = 3", "seal_changed", 3),
    ("update audit.seals set row_hashes = set_byte(row_hashes, 40, 7) where id = 3", "seal_changed", 3),
    ("delete from audit.seals where id = 3", "seal_removed", 3),
    ("delete from audit.seals where id = 1", "seal_removed", 1),
    ("delete from audit.seals where id in (2, 3, 4)", "seal_removed", 2),
]


@pytest.mark.parametrize(("statement", "finding", "seal_id"), SEALS)
def test_a_touched_seal_is_named(sealed: World, statement: LiteralString, finding: str, seal_id: int) -> None:
    tamper(sealed, statement)
    assert (verdict(sealed)["finding"], verdict(sealed)["seal_id"]) == (finding, seal_id)
    with pytest.raises(AssertionError):
        verify(sealed.database_url)


def test_a_row_and_its_seal_forged_together_break_the_next_link(sealed: World) -> None:
    tamper(
        sealed,
        "update audit.log set changes = '{}' where id = 12",
        "update audit.seals as s set row_hashes = (select string_agg(sha256(audit.row_bytes(l)), ''::bytea"
        " order by l.transaction_id, l.id) from audit.log as l where l.id = any (s.row_ids)) where s.id = 3",
        "update audit.seals as s set hash = audit.seal_hash(s) where s.id = 3",
    )
    assert (verdict(sealed)["finding"], verdict(sealed)["seal_id"]) == ("seal_changed", 4)


CUT: list[LiteralString] = [
    "delete from audit.seals where id = 6",
    "delete from audit.seals where id > 2",
    "delete from audit.seals",
]


@pytest.mark.parametrize("statement", CUT)
def test_a_remembered_head_reveals_that_the_end_was_cut_off(sealed: World, statement: LiteralString) -> None:
    head = verdict(sealed)["head"]
    tamper(sealed, statement)
    assert verdict(sealed)["finding"] == "ok", "nothing in the database can tell"
    assert verdict(sealed)["unsealed_rows"] > 2
    assert verdict(sealed, head)["finding"] == "head_missing"
    seal_all(sealed, 5)
    assert verdict(sealed, head)["finding"] == "head_missing", "nor can it be sealed again unnoticed"


def verdict_from(world: World, seal: int, expected_head: bytes | None = None) -> Row:
    return world.as_dba("select * from audit.verify(%s, %s)", expected_head, seal)[0]


def test_from_a_proven_seal_on_only_later_ones_are_read(sealed: World) -> None:
    heads = [row["hash"] for row in sealed.as_dba("select hash from audit.seals order by id")]
    whole, part = verdict(sealed), verdict_from(sealed, 4)
    assert (whole["from_seal"], part["from_seal"]) == (1, 4)
    assert part["sealed_rows"] == 15
    assert part | {"sealed_rows": 30, "from_seal": 1} == whole
    assert [verdict_from(sealed, 4, head)["finding"] for head in heads] == [
        *["head_missing"] * 2,
        *["ok"] * 4,
    ]
    assert verdict_from(sealed, 7)["finding"] == "ok", "nothing new since then"
    assert (verdict_from(sealed, 8)["finding"], verdict_from(sealed, 8)["seal_id"]) == ("seal_removed", 7)
    with refused("validation_failed", field="from_seal"):
        verdict_from(sealed, 0)


@pytest.mark.parametrize(
    ("statement", "finding", "seal_id"),
    [
        ("update audit.log set changes = '{}' where id = 10", "ok", None),
        ("update audit.log set changes = '{}' where id = 16", "row_changed", 4),
        ("delete from audit.seals where id = 3", "seal_removed", 3),
        ("update audit.seals set sealed_at = now() where id = 3", "seal_changed", 3),
        ("update audit.seals set hash = sha256('x') where id = 3", "seal_changed", 3),
        ("delete from audit.seals where id = 5", "seal_removed", 5),
    ],
)
def test_what_comes_after_the_proven_seal_is_found(
    sealed: World, statement: LiteralString, finding: str, seal_id: int | None
) -> None:
    tamper(sealed, statement)
    state = verdict_from(sealed, 4)
    assert (state["finding"], state["seal_id"]) == (finding, seal_id)
