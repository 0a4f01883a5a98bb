"""What the queue costs: enqueue against a plain insert, claim and finish by batch and backlog.

    python -m scripts.bench.queue --database-url …     a migrated database to throw away, as its owner
    … --pgmq pgmq.sql                                  also pgmq, from its own SQL (not part of this project)

Every figure is the median of interleaved rounds in one run; the ratios are what travels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psycopg

CLIENTS: Final = 8
BATCHES: Final = (1, 10, 100)
BACKLOG: Final = 1_000_000
ROUNDS: Final = 3
SECONDS: Final = 1.0

Step = Callable[[psycopg.Connection[Any]], int]
"""One transaction; returns how many jobs it dealt with."""

SETUP = """
    insert into jobs.kinds (kind, handler, description) values ('bench', 'python', 'Nothing.')
    on conflict do nothing;
    create table if not exists jobs.bench_plain (
        id bigint generated always as identity primary key, kind text not null, payload jsonb not null,
        created_at timestamptz not null default now()
    );
    truncate jobs.queue, jobs.finished, jobs.bench_plain;
"""
FILL = """
    select jobs.enqueue_all('bench', array(
        select jsonb_build_object('n', g) from generate_series(1, %s) as g
    ))
"""
FINISHED = """
    insert into jobs.finished (
        id, kind, outcome, payload, priority, idempotency_key, created_at, attempts, lost_leases, lease,
        keep_until
    )
    select -g, 'bench', 'done', '{}', 0, gen_random_uuid(), now(), 0, 0, 1, now() + interval '1 day'
    from generate_series(1, %s) as g
"""


def plain_insert(connection: psycopg.Connection[Any]) -> int:
    connection.execute("insert into jobs.bench_plain (kind, payload) values ('bench', '{\"n\": 1}')")
    return 1


def enqueue(connection: psycopg.Connection[Any]) -> int:
    connection.execute("select jobs.enqueue('bench', '{\"n\": 1}')")
    return 1


def claim_and_finish(batch: int) -> Step:
    def step(connection: psycopg.Connection[Any]) -> int:
        rows = connection.execute(
            "select array_agg(id), array_agg(lease) from edge.claim_jobs('bench', %s)", [batch]
        ).fetchone()
        if not rows or not rows[0]:
            return 0
        connection.execute("select edge.complete_jobs(%s, %s)", rows)
        return len(rows[0])

    return step


def pgmq_send(connection: psycopg.Connection[Any]) -> int:
    connection.execute("select pgmq.send('bench', '{\"n\": 1}'::jsonb)")
    return 1


def pgmq_read_and_archive(batch: int) -> Step:
    def step(connection: psycopg.Connection[Any]) -> int:
        row = connection.execute(
            "select array_agg(msg_id) from pgmq.read('bench', 30, %s)", [batch]
        ).fetchone()
        if not row or not row[0]:
            return 0
        connection.execute("select count(*) from pgmq.archive('bench', %s::bigint[])", [row[0]])
        return len(row[0])

    return step


def rate(url: str, step: Step) -> float:
    """Jobs per second over all clients, each transaction committed."""

    def client(_: int) -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            done, deadline = 0, time.monotonic() + SECONDS
            while time.monotonic() < deadline and (count := step(connection)):
                done += count
        return done

    with ThreadPoolExecutor(CLIENTS) as threads:
        started = time.monotonic()
        return sum(threads.map(client, range(CLIENTS))) / (time.monotonic() - started)


def compare(url: str, steps: Mapping[str, Step]) -> dict[str, float]:
    """The median rate of each, measured in turn."""
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            rates[name].append(rate(url, step))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def run(url: str, pgmq: Path | None = None) -> dict[str, float]:
    """All figures of the group, in jobs a second."""
    figures: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as dba:
        dba.execute(SETUP)
        if pgmq:
            dba.execute(pgmq.read_bytes())
            dba.execute("select pgmq.create('bench')")
        steps: dict[str, Step] = {"plain insert": plain_insert, "enqueue": enqueue}
        figures |= compare(url, steps | ({"pgmq send": pgmq_send} if pgmq else {}))

        dba.execute(SETUP)
        for backlog, what in ((200_000, "few waiting"), (BACKLOG, "1M waiting"), (BACKLOG, "1M finished")):
            dba.execute("truncate jobs.queue")
            if what == "1M finished":
                dba.execute(FINISHED, [BACKLOG])
                backlog = 200_000  # noqa: PLW2901
            for batch in BATCHES:
                dba.execute(FILL, [backlog if batch == BATCHES[0] else 200_000])
                dba.execute("vacuum analyze jobs.queue")
                steps = {f"claim+finish {batch}, {what}": claim_and_finish(batch)}
                if pgmq and what == "1M waiting":
                    dba.execute(
                        "select from pgmq.send_batch('bench', array("
                        "select jsonb_build_object('n', g) from generate_series(1, %s) as g))",
                        [BACKLOG if batch == BATCHES[0] else 200_000],
                    )
                    dba.execute("vacuum analyze pgmq.q_bench")
                    steps[f"pgmq read+archive {batch}, {what}"] = pgmq_read_and_archive(batch)
                figures |= compare(url, steps)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--pgmq", type=Path)
    chosen = parser.parse_args()
    figures = run(chosen.database_url, chosen.pgmq)
    plain = figures["plain insert"]
    for name, figure in figures.items():
        print(f"{name:34} {figure:10,.0f}/s  {figure / plain:6.2f} of a plain insert")


if __name__ == "__main__":
    main()
