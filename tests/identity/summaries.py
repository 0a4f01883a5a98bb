"""Pro users, their work, and the run of a day's summary."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from tests.acting import Person, Row, World
from tests.billing.subscribing import subscribe
from tests.identity.mails import mails
from tests.jobs.queueing import Queue


def pro(world: World, name: str, **options: Any) -> Person:
    person = world.person(name, **options)
    subscribe(world, person.id)
    return person


def pro_addresses(world: World, addresses: list[str]) -> None:
    """Many Pro users at once, with addresses that nobody could sign up with."""
    rows = world.as_dba(
        "insert into public.profiles (id, email) select gen_random_uuid(), address"
        " from unnest(%s::text[]) as address returning id",
        addresses,
    )
    subscribe(world, *(row["id"] for row in rows))


def project(person: Person, name: str, organization: uuid.UUID | None = None) -> uuid.UUID:
    id_: uuid.UUID = person.row(
        "insert into projects (name, organization_id) values (%s, %s) returning id", name, organization
    )["id"]
    return id_


def task(person: Person, project_id: uuid.UUID, title: str) -> uuid.UUID:
    id_: uuid.UUID = person.row(
        "insert into tasks (project_id, title) values (%s, %s) returning id", project_id, title
    )["id"]
    return id_


def fire(queue: Queue, slot: datetime | None = None) -> Row:
    """Let the slot come (now, if it does not matter); returns its job, claimed."""
    assert queue.ask("select edge.fire_schedule('daily_summary', %s)", slot or datetime.now(UTC)) == "fired"
    return claim(queue)


def claim(queue: Queue) -> Row:
    """The job of the summary, claimed; mails that wait go back."""
    jobs = queue.claim(1000)
    (job,) = [job for job in jobs if job["kind"] == "identity.daily_summary"]
    queue.release(*(other for other in jobs if other is not job))
    return job


def summarize(queue: Queue, slot: datetime | None = None) -> Row:
    """Fire and do the work; returns the counts of its run."""
    assert queue.run(fire(queue, slot)) == "done"
    counts: Row = last_run(queue)["counts"]
    return counts


def last_run(queue: Queue) -> Row:
    return queue.world.as_dba(
        "select * from public.job_runs where schedule = 'daily_summary' order by slot desc limit 1"
    )[0]


def scopes(world: World, person: Person) -> list[Row]:
    """What the person's newest mail says."""
    mine = [mail for mail in mails(world, "daily_summary") if mail["user_id"] == person.id]
    content: list[Row] = mine[-1]["params"]["scopes"]
    return content
