"""The database as everybody around billing meets it: customers, edge, worker, and who looks behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import DictRow, dict_row

from scripts.stack.stack import Stack
from tests.acting import Person, Row, World

LANES = 3
"""So many deliveries are under way at once, at most."""

Connection = psycopg.Connection[DictRow]


class Database:
    """One migrated database, with connections that stay open."""

    def __init__(self, world: World, service_url: str) -> None:
        self.world = world
        self.connections = [_connect(service_url) for _ in range(LANES)]
        self.dba = _connect(world.database_url)
        self.authenticator = _connect(world.authenticator_url)
        self.lanes = ThreadPoolExecutor(LANES)

    @classmethod
    def of(cls, world: World, stack: Stack) -> Database:
        return cls(world, stack.url("edge_service", urlsplit(world.database_url).path.removeprefix("/")))

    def close(self) -> None:
        self.lanes.shutdown()
        for connection in (*self.connections, self.dba, self.authenticator):
            connection.close()

    def service(self, query: LiteralString, *parameters: object, lane: int = 0) -> Any:
        """The single value of a call by the edge or the worker."""
        return only(self.connections[lane].execute(query, [plain(each) for each in parameters]))

    def service_rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        return self.connections[0].execute(query, parameters).fetchall()

    def as_person(self, person: Person, query: LiteralString, *parameters: object) -> Any:
        """The single value of a call on behalf of somebody."""
        with self.authenticator.transaction():
            self.authenticator.execute("select set_config('role', %s, true)", [person.role])
            self.authenticator.execute(
                "select set_config('request.jwt.claims', %s, true)", [json.dumps(person.claims)]
            )
            return only(self.authenticator.execute(query, [plain(each) for each in parameters]))

    def rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        """What only a DBA sees."""
        cursor = self.dba.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def at_once(self, works: Sequence[Callable[[int], Any]]) -> list[Any]:
        """Do these at the same time, each in a lane of its own."""
        if len(works) == 1:
            return [works[0](0)]
        return [*self.lanes.map(lambda work, lane: work(lane), works, range(len(works)))]


def _connect(url: str) -> Connection:
    return psycopg.connect(url, row_factory=dict_row, autocommit=True)


def only(cursor: psycopg.Cursor[DictRow]) -> Any:
    (row,) = cursor.fetchall()
    (value,) = row.values()
    return value


def plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value
