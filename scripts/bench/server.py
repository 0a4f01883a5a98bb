"""A Postgres of its own for one run, with this checkout's migrations and durable commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scripts.artifacts.temporary import migrated_database

SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "shared_buffers",
    "max_wal_size",
    "full_page_writes",
)


@dataclass(frozen=True)
class Server:
    """Where a group of benchmarks works."""

    url: str

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url, autocommit=True)

    def copy(self, name: str) -> Server:
        """A second database like this one, which nobody may be connected to meanwhile."""
        with psycopg.connect(self.url, dbname="template1", autocommit=True) as connection:
            original = conninfo_to_dict(self.url)["dbname"]
            statement = sql.SQL("create database {} template {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(str(original))))
        return Server(make_conninfo(self.url, dbname=name))

    def settings(self) -> dict[str, str]:
        """What decides how comparable the numbers are."""
        with self.connect() as connection:
            rows = connection.execute(
                "select name, current_setting(name) from pg_settings where name = any (%s)", [list(SETTINGS)]
            ).fetchall()
        return {str(name): str(value) for name, value in rows}


@contextmanager
def server() -> Iterator[Server]:
    with migrated_database() as url:
        yield Server(url)
