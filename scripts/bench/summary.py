"""What planning the daily summaries costs: a whole day's against an insert of as many ready-made mails.

`--rows` is how many Pro users there are. Each has a project, twelve old tasks and three of yesterday, and
shares an organization with 19 others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]

SLOT = "2026-03-02 03:00+00"

# A project in five is shared; the window holds the last three of each person's fifteen tasks.
SETUP = """
    alter table public.profiles disable trigger user;
    alter table public.organizations disable trigger user;
    alter table public.memberships disable trigger user;
    alter table public.projects disable trigger user;
    alter table public.tasks disable trigger user;
    create table bench_people as
    select
        u as number, gen_random_uuid() as id, gen_random_uuid() as project_id,
        ('00000000-0000-4000-8000-' || lpad((u / 20)::text, 12, '0'))::uuid as organization_id
    from generate_series(1, {users}) as u;
    insert into public.profiles (id, email, name, subscription_tier)
    select b.id, 'p' || b.number || '@example.com', 'Person ' || b.number, 'pro' from bench_people as b;
    insert into public.organizations (id, name, slug)
    select distinct b.organization_id, 'Organization ' || b.number / 20, 'organization-' || b.number / 20
    from bench_people as b;
    insert into public.memberships (organization_id, user_id, role)
    select b.organization_id, b.id, case when b.number % 20 = 0 then 'owner' else 'member' end
    from bench_people as b;
    insert into public.projects (id, user_id, organization_id, name, created_at, updated_at)
    select
        b.project_id, b.id, case when b.number % 5 = 0 then b.organization_id end, 'Project ' || b.number,
        '2026-01-01', '2026-01-01'
    from bench_people as b;
    insert into public.tasks (project_id, user_id, organization_id, title, status, created_at, updated_at)
    select
        b.project_id, b.id, case when b.number % 5 = 0 then b.organization_id end,
        'Task ' || t || ' of person ' || b.number, case when t % 3 = 0 then 'done' else 'todo' end, c.at, c.at
    from generate_series(1, 15) as t
    cross join lateral (select timestamptz '{slot}' - interval '8 hours' * (15.1 - t)) as c (at)
    cross join bench_people as b;
    insert into public.job_runs (schedule, slot, kind, job_id)
    values ('daily_summary', '{slot}', 'identity.daily_summary', 0);
    create table bench_emails (like jobs.emails including defaults including indexes);
    create table bench_ready as select * from jobs.emails limit 0;
"""
PLAN = """
    select identity.daily_summary(
        jsonb_build_object('schedule', 'daily_summary', 'slot', timestamptz '{slot}')
    )
"""
COPY = """
    insert into {table} (template, "to", params, dedupe_key, user_id)
    select template, "to", params, dedupe_key, user_id from bench_ready
"""


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """One client, since a day is one job; emptied tables before each round."""
    with server.connect() as connection:
        connection.execute(SETUP.format(users=options.rows, slot=SLOT).encode())
        connection.execute("vacuum analyze")
        plan = PLAN.format(slot=SLOT)
        connection.execute(plan.encode())
        connection.execute("insert into bench_ready select * from jobs.emails")
        yield [
            Case(
                f"mails of {options.rows:,} users",
                "mails/s",
                {
                    "plain insert": partial(_run, connection, COPY.format(table="bench_emails")),
                    "outbox": partial(_run, connection, COPY.format(table="jobs.emails")),
                    "plan summaries": partial(_run, connection, plan),
                },
            )
        ]


def _run(connection: Connection, statement: str) -> int:
    connection.execute("truncate jobs.emails, jobs.queue, bench_emails")
    connection.execute(statement.encode())
    done = connection.execute(
        "select greatest((select count(*) from jobs.emails), (select count(*) from bench_emails))"
    ).fetchone()
    if not done or not done[0]:
        raise RuntimeError("no mail was staged; its numbers would mean nothing")
    count: int = done[0]
    return count
