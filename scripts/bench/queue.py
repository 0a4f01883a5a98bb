"""What the queue costs: staging against a plain insert, claim and finish against a delete without leases.

`--rows` is how many jobs wait, or have come and gone where that is measured. `--peer` compares with
another queue: a SQL file that defines `peer.fill(integer)`, `peer.send()`,
`peer.claim(integer) returns bigint[]` and `peer.finish(bigint[])`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]
Step = Callable[[Connection], int]
"""Some transactions; returns how many jobs they dealt with."""

BATCHES = {1: 1, 10: 4, 100: 10}
"""How many jobs a transaction takes, and how many times `--operations` make a round of them."""
SHORT = 10_000
"""Waiting jobs of a queue that nothing slows down."""

SETUP = """
    insert into jobs.kinds (kind, handler, description) values ('bench', 'python', 'Nothing.');
    create table bench_jobs (
        id bigint generated always as identity primary key, kind text not null, payload jsonb not null,
        created_at timestamptz not null default now()
    );
"""
FILL = """
    insert into bench_jobs (kind, payload)
    select 'bench', jsonb_build_object('n', g) from generate_series(1, {count}) as g;
    select jobs.enqueue_all('bench', array(
        select jsonb_build_object('n', g) from generate_series(1, {count}) as g
    ));
"""
PAST = """
    insert into jobs.finished (
        id, kind, outcome, payload, priority, idempotency_key, created_at, attempts, lost_leases, lease,
        keep_until
    )
    select
        -g, 'bench', 'done', jsonb_build_object('n', g), 0, gen_random_uuid(), now(), 0, 0, 1,
        now() + interval '1 day'
    from generate_series(1, {count}) as g
"""
DELETE = """
    delete from bench_jobs as b where b.id = any (array(
        select j.id from bench_jobs as j order by j.id limit %s for update skip locked
    ))
"""


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each transaction committed."""
    rounds = (options.rounds + 1) * options.clients * options.operations
    past = server.copy("bench_past")
    short = server.copy("bench_short")
    _fill(server, options.rows + rounds * (sum(BATCHES.values()) + max(BATCHES.values())), options.peer)
    _fill(short, SHORT + rounds * max(BATCHES.values()))
    _fill(past, SHORT + rounds * max(BATCHES.values()))
    _live_through(past, options.rows)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))

        def clients(of: Server) -> list[Connection]:
            return [stack.enter_context(of.connect()) for _ in range(options.clients)]

        everyone = clients(server)

        def work(step: Step, batch: int = 1, of: list[Connection] = everyone) -> Callable[[], int]:
            return partial(_together, threads, of, options.operations * BATCHES[batch], step)

        def case(name: str, variants: Mapping[str, Callable[[], int]]) -> Case:
            chosen = {variant: it for variant, it in variants.items() if options.peer or variant != "peer"}
            return Case(f"{name}, {options.clients} clients", "jobs/s", chosen)

        yield [
            case("stage", {"plain insert": work(_insert), "enqueue": work(_enqueue), "peer": work(_send)}),
            *(
                case(
                    f"take {batch}, {options.rows:,} waiting",
                    {
                        "delete": work(partial(_delete, batch), batch),
                        "claim and finish": work(partial(_claim_and_finish, batch), batch),
                        "peer": work(partial(_peer, batch), batch),
                    },
                )
                for batch in BATCHES
            ),
            *(
                case(
                    f"take {batch}, flat",
                    {
                        f"{SHORT:,} waiting": work(step, batch, clients(short)),
                        f"{options.rows:,} waiting": work(step, batch),
                        f"{options.rows:,} finished": work(step, batch, clients(past)),
                    },
                )
                for batch in (max(BATCHES),)
                for step in (partial(_claim_and_finish, batch),)
            ),
        ]


def _fill(server: Server, count: int, peer: Path | None = None) -> None:
    with server.connect() as setup:
        setup.execute(SETUP)
        setup.execute(FILL.format(count=count).encode())
        if peer:
            setup.execute(peer.read_bytes())
            setup.execute("select peer.fill(%s)", [count])
        setup.execute("vacuum analyze")


def _live_through(server: Server, count: int) -> None:
    """As many jobs come and go, and as many are kept; nothing but autovacuum cleans up."""
    with server.connect() as client:
        client.execute(PAST.format(count=count).encode())
        done = 0
        while done < count:
            client.execute(
                "select jobs.enqueue_all('bench', array_fill('{\"n\": 1}'::jsonb, array[%s]))", [1000]
            )
            done += _claim_and_finish(1000, client)


def _together(threads: ThreadPoolExecutor, clients: list[Connection], jobs: int, step: Step) -> int:
    def work(client: Connection) -> int:
        done = 0
        while done < jobs:
            if not (count := step(client)):
                raise RuntimeError("nothing waits any more; its numbers would mean nothing")
            done += count
        return done

    return sum(threads.map(work, clients))


def _insert(client: Connection) -> int:
    client.execute("insert into bench_jobs (kind, payload) values ('bench', '{\"n\": 1}')")
    return 1


def _enqueue(client: Connection) -> int:
    client.execute("select jobs.enqueue('bench', '{\"n\": 1}')")
    return 1


def _send(client: Connection) -> int:
    client.execute("select peer.send()")
    return 1


def _delete(batch: int, client: Connection) -> int:
    return client.execute(DELETE, [batch]).rowcount


# Ids and leases travel as the server wrote them: arrays in Python would cost more than the queue.


def _claim_and_finish(batch: int, client: Connection) -> int:
    held = client.execute(
        "select array_agg(id)::text, array_agg(lease)::text, count(*) from edge.claim_jobs('bench', %s)",
        [batch],
    ).fetchone()
    if not held or not held[2]:
        return 0
    client.execute("select edge.complete_jobs(%s, %s)", held[:2])
    return int(held[2])


def _peer(batch: int, client: Connection) -> int:
    held = client.execute("select c::text, cardinality(c) from peer.claim(%s) as c", [batch]).fetchone()
    if not held or not held[1]:
        return 0
    client.execute("select peer.finish(%s)", held[:1])
    return int(held[1])
