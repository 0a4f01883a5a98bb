"""Nobody rewrites the log: not clients, not the back office, not its owner."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from tests.acting import World, refused
from tests.audit.log import seal_all

REWRITING: tuple[LiteralString, ...] = (
    "update {0} set {1} = {1}",
    "delete from {}",
    "truncate {}",
)
PARTITION = """
    select l.tableoid::regclass::text as name from audit.log as l limit 1
"""


def _column(table: str) -> str:
    return "sealed_at" if table == "audit.seals" else "at"


@pytest.mark.parametrize("statement", REWRITING)
@pytest.mark.parametrize("table", ["audit.log", "partition", "audit.log_default", "audit.seals"])
def test_the_owner_rewrites_nothing(world: World, statement: LiteralString, table: str) -> None:
    world.person("ada")
    seal_all(world)
    if table == "partition":
        table = world.as_dba(PARTITION)[0]["name"]
    if table == "audit.log_default":
        statement = (
            "truncate {}" if "truncate" in statement else "insert into {} (database_role) values ('x')"
        )
    before = world.as_dba("select l::text from audit.log as l order by id")
    with refused("forbidden"):
        world.as_dba(statement.format(table, _column(table)))
    assert world.as_dba("select l::text from audit.log as l order by id") == before


@pytest.mark.parametrize("statement", REWRITING)
@pytest.mark.parametrize("table", ["audit.log", "audit.seals"])
def test_not_even_where_ordinary_triggers_are_off(world: World, statement: LiteralString, table: str) -> None:
    world.person("ada")
    seal_all(world)
    with psycopg.connect(world.superuser_url) as connection, refused("forbidden"):
        connection.execute("set session_replication_role = replica")
        connection.execute(statement.format(table, _column(table)))


def test_nobody_writes_a_row_by_hand(world: World) -> None:
    world.person("ada")
    row = "(database_role, action, changes, at) values ('postgres', 'update', '{}', now())"
    for table in ("audit.log", world.as_dba(PARTITION)[0]["name"]):
        with refused("forbidden"):
            world.as_dba(f"insert into {table} {row}")


@pytest.mark.parametrize("table", ["log", "seals", "tracked_tables", "actions", "log_default"])
@pytest.mark.parametrize(
    "statement", ["select 1 from audit.{}", "delete from audit.{}", "insert into audit.{} default values"]
)
def test_the_api_does_not_enter(world: World, table: str, statement: str) -> None:
    for caller in (world.anon, world.person("ada"), world.service):
        with refused("42501"):
            caller.rows(statement.format(table))
        with refused("42501"):
            caller.rows("select audit.record('forged')")
