"""What the queue costs: staging against a plain insert, claim and finish against a delete without leases.

`--rows` is how many jobs wait. `--peer` compares with another queue: a SQL file that defines
`peer.fill(integer)`, `peer.send()`, `peer.claim(integer) returns bigint[]` and `peer.finish(bigint[])`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]
Step = Callable[[Connection], int]
"""Some transactions; returns how many jobs they dealt with."""

BATCHES = (1, 10, 100)

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
DELETE = """
    delete from bench_jobs as b where b.id = any (array(
        select j.id from bench_jobs as j order by j.id limit %s for update skip locked
    ))
"""


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each transaction committed."""
    taken = len(BATCHES) * (options.rounds + 1) * options.clients * options.operations
    with server.connect() as setup:
        setup.execute(SETUP)
        setup.execute(FILL.format(count=options.rows + taken).encode())
        if options.peer:
            setup.execute(options.peer.read_bytes())
            setup.execute("select peer.fill(%s)", [options.rows + taken])
        setup.execute("vacuum analyze")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(options.clients)]
        threads = stack.enter_context(ThreadPoolExecutor(len(clients)))

        def case(name: str, steps: Mapping[str, Step]) -> Case:
            work = {
                variant: partial(_together, threads, clients, options.operations, step)
                for variant, step in steps.items()
                if options.peer or variant != "peer"
            }
            return Case(f"{name}, {options.clients} clients", "jobs/s", work)

        yield [
            case("stage", {"plain insert": _insert, "enqueue": _enqueue, "peer": _send}),
            *(
                case(
                    f"take {batch}, {options.rows:,} waiting",
                    {
                        "delete": partial(_delete, batch),
                        "claim and finish": partial(_claim_and_finish, batch),
                        "peer": partial(_peer, batch),
                    },
                )
                for batch in BATCHES
            ),
        ]


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


def _claim_and_finish(batch: int, client: Connection) -> int:
    held = client.execute(
        "select array_agg(id), array_agg(lease) from edge.claim_jobs('bench', %s)", [batch]
    ).fetchone()
    if not held or not held[0]:
        return 0
    client.execute("select edge.complete_jobs(%s, %s)", held)
    return len(held[0])


def _peer(batch: int, client: Connection) -> int:
    held = client.execute("select peer.claim(%s)", [batch]).fetchone()
    if not held or not held[0]:
        return 0
    client.execute("select peer.finish(%s)", held)
    return len(held[0])
