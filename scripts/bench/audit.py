"""What the audit log costs a writer: the same table, audited and not."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

PLAIN, AUDITED = "unaudited", "audited"
BULK = 1000

TABLE = """
    create table bench_{} (like public.projects including all);
    insert into bench_{} (id, user_id, name)
    select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, gen_random_uuid(), 'Project ' || i
    from generate_series(0, {} - 1) as i;
"""
SESSION = """
    select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000001"}', false),
        set_config('request.headers', '{"x-request-id": "0b6c1c4e8d5c4c0f9d2f2f6c5a1f7e3b"}', false)
"""


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Single rows by several clients, bulk by one."""
    with server.connect() as setup:
        for name in (PLAIN, AUDITED):
            setup.execute(TABLE.format(name, name, options.rows).encode())
        setup.execute(f"select audit.track('bench_{AUDITED}', key => '{{id}}')".encode())
        setup.execute("vacuum analyze")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(options.clients)]
        for client in clients:
            client.execute(SESSION)
        yield [
            _case(f"insert, {options.clients} clients", _inserts, clients, options),
            _case(f"update, {options.clients} clients", _updates, clients, options),
            _case("update, 1 client", _updates, clients[:1], options),
            _case(f"update of {BULK} rows", _bulk_updates, clients[:1], options),
        ]


def _case(name: str, work: Any, clients: list[psycopg.Connection[Any]], options: Options) -> Case:
    variants = {
        table: partial(_together, partial(work, table, options), clients) for table in (PLAIN, AUDITED)
    }
    return Case(name, "rows/s", variants)


def _together(work: Any, clients: list[psycopg.Connection[Any]]) -> int:
    done: list[int] = []
    threads = [Thread(target=lambda client=client: done.append(work(client))) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(done) != len(clients):
        raise RuntimeError("a client failed; its numbers would mean nothing")
    return sum(done)


def _statement(text: str, table: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(f"bench_{table}"))


def _key(number: int) -> uuid.UUID:
    return uuid.UUID(f"00000000-0000-4000-8000-{number:012d}")


def _inserts(table: str, options: Options, client: psycopg.Connection[Any]) -> int:
    statement = _statement("insert into {} (user_id, name) values (%s, 'Project')", table)
    for _ in range(options.operations):
        client.execute(statement, [uuid.uuid4()], prepare=True)
    return options.operations


def _updates(table: str, options: Options, client: psycopg.Connection[Any]) -> int:
    statement = _statement("update {} set name = %s, updated_at = now() where id = %s", table)
    for number in range(options.operations):
        row = _key(random.randrange(options.rows))  # noqa: S311
        client.execute(statement, [f"Renamed {number}", row], prepare=True)
    return options.operations


def _bulk_updates(table: str, options: Options, client: psycopg.Connection[Any]) -> int:
    statement = _statement("update {} set name = %s, updated_at = now() where id >= %s and id < %s", table)
    first = random.randrange(options.rows - BULK)  # noqa: S311
    name = f"Bulk {uuid.uuid4()}"
    client.execute(statement, [name, _key(first), _key(first + BULK)], prepare=True)
    return BULK
