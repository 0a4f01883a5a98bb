"""What people are written and told, as the database has staged it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tests.acting import Person, Row, World


def mails(world: World, template: str) -> list[Row]:
    """Of this template, oldest first."""
    return world.as_dba("select * from jobs.emails where template = %s order by created_at, id", template)


def queued(world: World, template: str) -> list[Row]:
    """Those of them that will still be sent."""
    return [mail for mail in mails(world, template) if mail["status"] == "queued"]


def told(person: Person) -> list[tuple[str, Row]]:
    """Kind and data of a person's notifications, as the app sees them."""
    rows = person.rows("select kind, data from notifications order by created_at, kind")
    return [(row["kind"], row["data"]) for row in rows]


def waiting(threads: ThreadPoolExecutor, world: World, call: Callable[[], object]) -> Future[object]:
    """Start a call and return once it hangs on a lock."""
    future = threads.submit(call)
    for _ in range(500):
        if world.as_dba(
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ):
            return future
        assert not future.done(), f"it did not wait: {future.exception() or future.result()}"
        time.sleep(0.01)
    raise AssertionError("it did not wait for the open transaction")
