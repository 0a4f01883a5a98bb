"""Who says no, or goes, while the summaries are staged gets none: whichever of the two commits first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.acting import Person, World
from tests.identity.mails import mails, queued, waiting
from tests.identity.summaries import fire, last_run, pro
from tests.jobs.queueing import Queue

NO = "select set_email_preference('daily_summary', false)"
DELETE = "delete from auth.users where id = %s"
RUN = "select edge.run_job(%s, %s)"

Refusal = Callable[[World, Person], object]


def _unsubscribe(world: World, person: Person) -> object:
    return person.rows(NO)


def _delete(world: World, person: Person) -> object:
    return world.as_auth_service(DELETE, person.id)


@pytest.mark.parametrize("refuse", [_unsubscribe, _delete])
def test_a_no_while_the_mails_are_staged_waits_for_them(queue: Queue, refuse: Refusal) -> None:
    ada = pro(queue.world, "ada")
    pro(queue.world, "grace")
    job = fire(queue)
    with ThreadPoolExecutor(1) as threads:
        with psycopg.connect(queue.service_url) as staging:
            staging.execute(RUN, [job["id"], job["lease"]])
            refusal = waiting(threads, queue.world, lambda: refuse(queue.world, ada))
        refusal.result(timeout=30)
    assert [mail["to"] for mail in queued(queue.world, "daily_summary")] == ["grace@example.com"]
    assert len(mails(queue.world, "daily_summary")) == 2


@pytest.mark.parametrize("deleted", [False, True])
def test_the_staging_waits_for_a_no_under_way(queue: Queue, deleted: bool) -> None:
    ada = pro(queue.world, "ada")
    pro(queue.world, "grace")
    job = fire(queue)
    _say_no_during(queue, ada, deleted, lambda: queue.run(job))
    assert [mail["to"] for mail in queued(queue.world, "daily_summary")] == ["grace@example.com"]
    assert last_run(queue)["counts"] == {"users": 2, "staged": 1, "unsubscribed": 1, "failed": 0}


def _say_no_during(queue: Queue, person: Person, deleted: bool, work: Callable[[], object]) -> None:
    """Commit the refusal only once the work hangs on it."""
    with ThreadPoolExecutor(1) as threads:
        if deleted:
            with psycopg.connect(queue.world.superuser_url) as refusal:
                refusal.execute("set local role supabase_auth_admin")
                refusal.execute(DELETE, [person.id])
                run = waiting(threads, queue.world, work)
        else:
            with person.transaction() as refusal:
                refusal.execute(NO)
                run = waiting(threads, queue.world, work)
        run.result(timeout=30)


def test_without_the_last_look_the_mail_of_somebody_who_said_no_would_leave(queue: Queue) -> None:
    """The control: what the lock and the second look are for."""
    ada = pro(queue.world, "ada")
    queue.world.as_dba(
        "create or replace function identity.withdraw_late_summaries(slot timestamptz, users uuid[])"
        " returns integer language sql volatile set search_path = '' return 0"
    )
    job = fire(queue)
    with ada.transaction() as refusal:
        refusal.execute(NO)
        assert queue.run(job) == "done"
    assert [mail["to"] for mail in queued(queue.world, "daily_summary")] == [ada.email]
