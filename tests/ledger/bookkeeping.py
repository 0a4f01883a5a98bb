"""Posting and reading as functions of the domains above do: with the rights of whoever runs migrations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow

from tests.acting import Row, World
from tests.connections import connected

Line = tuple[int | None, int | None] | tuple[int | None, int | None, str | None]
"""Account, amount, currency (USD)."""

POST: LiteralString = "select * from ledger.post(%s, %s::ledger.line[], %s, %s)"


def lines(*given: Line) -> str:
    """The literal of an array of lines."""
    rows = [
        ",".join("" if part is None else str(part) for part in (line if len(line) == 3 else (*line, "USD")))
        for line in given
    ]
    return "{" + ",".join(f'"({row})"' for row in rows) + "}"


def move(amount: int, giver: int, taker: int) -> tuple[Line, Line]:
    return (giver, -amount), (taker, amount)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one world, or of one open transaction in it."""

    world: World
    connection: psycopg.Connection[DictRow] | None = None

    @contextmanager
    def transaction(self, *settings: LiteralString) -> Iterator[Ledger]:
        """One open transaction, committed at the end: for races."""
        with connected(self.world.database_url) as connection:
            for setting in settings:
                connection.execute(setting)
            yield Ledger(self.world, connection)

    def rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        """The rows of a statement."""
        if self.connection is None:
            return self.world.as_dba(query, *parameters)
        cursor = self.connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def ask(self, query: LiteralString, *parameters: object) -> Any:
        """A single value."""
        ((value,),) = (row.values() for row in self.rows(query, *parameters))
        return value

    def open(self, name: str, currency: str = "USD", *, owes: bool = False, busy: bool = False) -> int:
        """An account of an owner called like it; busy ones keep no balance."""
        id_: int = self.ask(
            "select ledger.open_account('test', %s, 'wallet', %s, %s, %s)",
            name,
            currency,
            owes or busy,
            not busy,
        )
        return id_

    def post(
        self, reference: str | None, *given: Line, description: str | None = None, **metadata: object
    ) -> Row:
        (row,) = self.rows(POST, reference, lines(*given), description, json.dumps(metadata))
        return row

    def reverse(self, reference: str | None, of: str | None) -> Row:
        (row,) = self.rows("select * from ledger.reverse(%s, %s)", reference, of)
        return row

    def balance(self, account: int) -> int:
        value: int = self.ask("select balance from ledger.balances where account_id = %s", account)
        return value

    def count(self) -> int:
        """How many transfers there are."""
        value: int = self.ask("select count(*) from ledger.transfers")
        return value

    def statement(self, account: int) -> list[tuple[str, int, int]]:
        """Reference, amount and balance of every movement, oldest first."""
        rows = self.rows(
            "select reference, amount, balance from ledger.statement where account_id = %s order by place",
            account,
        )
        return [(row["reference"], row["amount"], row["balance"]) for row in rows]

    def try_to(self, statement: LiteralString, *parameters: object) -> bool:
        """Whether it was done. Being overdrawn or reversed already is the only excuse."""
        try:
            self.rows(statement, *parameters)
        except psycopg.Error as error:
            if error.diag.message_primary != "invalid_state":
                raise
            return False
        return True

    def assert_sound(self) -> None:
        assert self.rows("select * from ledger.check()") == []


def tamper(superuser: psycopg.Connection[Any], statements: Sequence[LiteralString]) -> None:
    """Run statements with every trigger switched off before and on again after, all in one transaction."""
    tables = ("accounts", "totals", "transfers", "entries", "deltas")
    always = (
        "select format('alter table ledger.%I enable always trigger %I', c.relname, t.tgname) as again"
        " from pg_trigger as t join pg_class as c on c.oid = t.tgrelid"
        " where c.relnamespace = 'ledger'::regnamespace and t.tgenabled = 'A'"
    )
    again = superuser.execute(always).fetchall()
    for table in tables:
        superuser.execute(f"alter table ledger.{table} disable trigger user")
    superuser.execute("set local session_replication_role = replica")
    for statement in statements:
        assert superuser.execute(statement).rowcount != 0
    superuser.execute("set local session_replication_role = origin")
    for table in tables:
        superuser.execute(f"alter table ledger.{table} enable trigger user")
    for (statement,) in again:
        superuser.execute(statement.encode())
