"""What an answer from the cache costs: the look-up by hash against a read by a plain key.

`--rows` is how many answers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import count, islice
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]

SETUP = """
    insert into auth.users (id, aud, role, email)
    values ('00000000-0000-4000-8000-000000000001', 'authenticated', 'authenticated', 'ada@example.com');
    create table bench_answers (id bigint primary key, output text not null);
    insert into bench_answers select g, repeat('an answer ', 40) from generate_series(1, {count}) as g;
    insert into ai.answers (key, request_id, user_id, scope, output, is_cut, fresh_until, expires_at)
    select
        sha256(convert_to(g::text, 'UTF8')), gen_random_uuid(), '00000000-0000-4000-8000-000000000001',
        'installation', repeat('an answer ', 40), false, now() + interval '1 day', now() + interval '1 day'
    from generate_series(1, {count}) as g;
"""
BY_ID = b"select a.* from bench_answers as a where a.id = %s"
BY_HASH = b"select a.* from ai.answers as a where a.key = %s and a.fresh_until > now()"


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, prepared statements, every key equally likely."""
    with server.connect() as setup:
        setup.execute(SETUP.format(count=options.rows).encode())
        setup.execute("vacuum analyze")
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))
        clients = [stack.enter_context(server.connect()) for _ in range(options.clients)]

        def reads(query: bytes, key: Callable[[int], int | bytes]) -> Callable[[], int]:
            numbers = count()

            def read(client: Connection) -> int:
                for number in islice(numbers, options.operations):
                    found = client.execute(query, [key(number * 7919 % options.rows + 1)], prepare=True)
                    if not found.rowcount:
                        raise RuntimeError("an answer is not there; the numbers would mean nothing")
                return options.operations

            return lambda: sum(threads.map(read, clients))

        yield [
            Case(
                f"one of {options.rows:,} answers, {options.clients} clients",
                "reads/s",
                {
                    "by a plain key": reads(BY_ID, lambda number: number),
                    "by hash": reads(BY_HASH, lambda number: sha256(b"%d" % number).digest()),
                },
            )
        ]
