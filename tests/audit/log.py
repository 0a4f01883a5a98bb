"""Reading the log, and writing to it as somebody with owner rights and bad intentions would."""

from __future__ import annotations

from typing import LiteralString

import psycopg

from tests.acting import Row, World

NEWEST_FIRST: LiteralString = "select * from audit.log where table_name = %s order by id desc"


def newest(world: World, table: str) -> Row:
    """The last row of the log about this table."""
    return world.as_dba(NEWEST_FIRST, table)[0]


def seal_all(world: World, max_rows: int = 10000) -> list[Row]:
    """Every seal that can be made now."""
    seals: list[Row] = []
    while True:
        seal = world.as_dba("select * from audit.seal(%s)", max_rows)[0]
        if seal["id"] is None:
            return seals
        seals.append(seal)


def verdict(world: World, expected_head: bytes | None = None) -> Row:
    return world.as_dba("select * from audit.verify(%s)", expected_head)[0]


def tamper(world: World, *statements: LiteralString) -> None:
    """Run statements as the tables' owner, who first switches every guard off."""
    with psycopg.connect(world.database_url) as connection:
        connection.execute("alter table audit.log disable trigger user")
        connection.execute("alter table audit.seals disable trigger user")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
        connection.execute("alter table audit.log enable trigger user")
        connection.execute("alter table audit.seals enable trigger user")
