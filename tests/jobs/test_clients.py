"""Clients can touch nothing of the queue, and the worker's login only what it needs."""

import pytest

from tests.acting import Caller, refused
from tests.jobs.queueing import Queue

FORBIDDEN = (
    "select * from jobs.queue",
    "select * from jobs.overview",
    "insert into jobs.kinds (kind, handler, description) values ('a', 'python', 'a')",
    "update jobs.schedules set enabled = false",
    "delete from jobs.finished",
    "select jobs.enqueue('test.python')",
    "select jobs.cancel(1, 'no')",
    "select edge.claim_jobs('me', 1)",
    "select edge.run_job(1, 1)",
    "select edge.fire_schedule('reap', now())",
    "insert into public.job_runs (schedule, slot, kind, job_id) values ('a', now(), 'a', 1)",
    "update public.job_runs set status = 'done'",
    "delete from public.job_runs",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_no_client_touches_the_queue(queue: Queue, statement: str) -> None:
    callers: list[Caller] = [queue.world.anon, queue.world.person("ada"), queue.world.service]
    for caller in callers:
        with refused("42501"):
            caller.rows(statement)


@pytest.mark.parametrize("statement", [s for s in FORBIDDEN if "edge." not in s])
def test_the_worker_touches_it_through_its_functions_only(queue: Queue, statement: str) -> None:
    with refused("42501"):
        queue.call(statement)
