"""The same events in many orders: each order in a transaction that is taken back afterwards."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from scripts.stripe_sim.store import Document
from tests.acting import Row
from tests.billing.properties.comparing import Ledger, differences
from tests.billing.properties.database import Database, only, plain
from tests.billing.properties.network import RECEIVE
from tests.billing.properties.play import Play
from tests.billing.properties.worker import Worker


class OneTransaction(Database):
    """The database as the edge, the worker and a DBA meet it, all in one transaction."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, row_factory=dict_row)

    def service(self, query: LiteralString, *parameters: object, lane: int = 0) -> Any:
        return only(self._as_service(query, [plain(each) for each in parameters]))

    def service_rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        return self._as_service(query, parameters).fetchall()

    def rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        cursor = self.connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def _as_service(self, query: LiteralString, parameters: Sequence[object]) -> psycopg.Cursor[Row]:
        self.connection.execute("set local role edge_service")
        cursor = self.connection.execute(query, parameters)
        self.connection.execute("reset role")
        return cursor

    @contextmanager
    def taken_back(self) -> Iterator[OneTransaction]:
        try:
            yield self
        finally:
            self.connection.rollback()


class Rehearsal:
    """A play of which nothing was delivered yet."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.database = OneTransaction(play.database.world.superuser_url)
        self.broken = ""

    def close(self) -> None:
        self.database.connection.close()

    def events(self) -> list[Document]:
        """Those about which anything is done."""
        names = [{"type": event["type"]} for event in self.play.stripe.events()]
        with self.database.taken_back() as database:
            handled = {
                row["type"]
                for row in database.rows(
                    "select type from unnest(%s::text[]) as t (type) where billing.handles(type)",
                    [name["type"] for name in names],
                )
            }
        return [event for event in self.play.stripe.events() if event["type"] in handled]

    def sabotage(self, function: str, sound: str, broken: str) -> None:
        """From now on this function is broken, in each order anew."""
        with self.database.taken_back() as database:
            query: LiteralString = "select pg_get_functiondef(%s::regprocedure) as definition"
            definition = database.rows(query, function)[0]["definition"]
        assert sound in definition
        self.broken = definition.replace(sound, broken)

    def wrong(self, events: Sequence[Document], *, asks: bool) -> list[str]:
        """What is not as it should be after these events in this order, with or without asking Stripe."""
        with self.database.taken_back() as database:
            if self.broken:
                database.connection.execute(self.broken.encode())
            before = Ledger(database)
            for event in events:
                database.service(RECEIVE, event)
            play = copy.copy(self.play)
            play.database = database
            if asks:
                Worker(database, play.stripe, play.dice).drain()
            database.rows("set constraints all immediate")
            untold = ("only ",) if asks else ("only ", "refund ")
            return [each for each in differences(play, before) if not each.startswith(untold)]
