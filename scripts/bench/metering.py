"""What limits cost: counting and holding against plain writes of a row, taking a token against an insert.

`--rows` is how many people have used something this month; 1,000,000 shows that counting stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count, islice
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]

KEYS = 100_000
"""How many buckets takers choose from."""
WORN = 200_000

SETUP = """
    create table bench_people (number integer primary key, id uuid not null unique);
    insert into bench_people select g, gen_random_uuid() from generate_series(1, {people}) as g;
    insert into auth.users (id, aud, role, email)
    select p.id, 'authenticated', 'authenticated', p.number || '@example.com' from bench_people as p;
    update public.plan_limits set soft_limit = null, hard_limit = 1000000000 where action = 'export';
    insert into public.usage (user_id, action, month, count)
    select p.id, 'export', metering.month_of(now()), 1 from bench_people as p;

    create table bench_rows (
        id bigint generated always as identity primary key, key text not null, amount bigint not null,
        at timestamptz not null default now()
    );
    create table bench_counts (
        user_id uuid not null, action text not null, month date not null, count bigint not null default 0,
        primary key (user_id, action, month)
    ) with (fillfactor = 50);
    insert into bench_counts (user_id, action, month)
    select p.id, 'export', metering.month_of(now()) from bench_people as p;
"""
INSERT = "insert into bench_rows (key, amount) values ('k' || %s, 1)"
UPSERT = """
    insert into bench_counts as c (user_id, action, month, count)
    select p.id, 'export', date_trunc('month', now())::date, 1 from bench_people as p where p.number = %s
    on conflict (user_id, action, month) do update set count = c.count + 1 where c.count + 1 <= 1000000000
"""
CONSUME = "select metering.consume(p.id, 'export', 1) from bench_people as p where p.number = %s"
RESERVE_AND_SETTLE = """
    select metering.settle(metering.reserve(p.id, 'export', 1, 0, '1 minute', null), 1, 0)
    from bench_people as p where p.number = %s
"""
TAKE = "select metering.take('k' || %s, 1000, 1000000)"
WEAR = "select metering.take('k' || g %% 1000, 1000, 1000000) from generate_series(1, %s) as g"


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each call a transaction that waits for the disk unless only a bucket changed."""
    _fill(server, options.rows)
    worn = server.copy("bench_worn")
    _wear(worn)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))

        def clients(of: Server) -> list[Connection]:
            return [stack.enter_context(of.connect()) for _ in range(options.clients)]

        everyone = clients(server)

        def work(
            query: str, whose: Callable[[int], int], of: list[Connection] = everyone
        ) -> Callable[[], int]:
            numbers = count()
            statement = query.encode()

            def work_alone(client: Connection) -> int:
                for number in islice(numbers, options.operations):
                    client.execute(statement, [whose(number)])
                return options.operations

            return lambda: sum(threads.map(work_alone, of))

        def case(name: str, variants: Mapping[str, Callable[[], int]]) -> Case:
            return Case(f"{name}, {options.clients} clients", "calls/s", variants)

        def another(number: int) -> int:
            return number * 7919 % options.rows + 1

        def key(number: int) -> int:
            return number * 7919 % KEYS

        def same(_: int) -> int:
            return 1

        yield [
            case(
                f"count for another of {options.rows:,} people each time",
                {
                    "plain insert": work(INSERT, another),
                    "plain upsert": work(UPSERT, another),
                    "consume": work(CONSUME, another),
                    "reserve and settle": work(RESERVE_AND_SETTLE, another),
                },
            ),
            case(
                "count for one person",
                {
                    "plain insert": work(INSERT, same),
                    "plain upsert": work(UPSERT, same),
                    "consume": work(CONSUME, same),
                },
            ),
            case(
                f"rate limit of {KEYS:,} keys",
                {
                    "plain insert": work(INSERT, key),
                    "take": work(TAKE, key),
                    f"take, after {WORN:,} takes of 1,000 keys": work(TAKE, key, clients(worn)),
                    "take, one key": work(TAKE, same),
                },
            ),
        ]


def _fill(server: Server, people: int) -> None:
    with server.connect() as setup:
        setup.execute(SETUP.format(people=people).encode())
        setup.execute("vacuum analyze")


def _wear(server: Server) -> None:
    """As if many had come: nothing but autovacuum cleans up."""
    with server.connect() as client:
        for _ in range(WORN // 1000):
            client.execute(WEAR, [1000])
