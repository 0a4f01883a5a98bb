"""What one job, kind or schedule does wrong is its own failure: the workers go on."""

from __future__ import annotations

import pytest

from tests.jobs.queueing import Queue
from tests.worker.process import eventually, worker

DEEP = '{"n": ' + "[" * 1500 + "]" * 1500 + "}"
LONG = '{"n": ' + "9" * 5001 + "}"


@pytest.mark.parametrize("payload", [DEEP, LONG])
def test_a_payload_that_cannot_be_read_fails_alone(queue: Queue, payload: str) -> None:
    (row,) = queue.world.as_dba("select jobs.enqueue('test.python', %s) as id", payload)
    queue.stage_effects(3)
    with worker(queue, "tests.worker.doomed", "never", "sound"):
        eventually(lambda: queue.states() == {row["id"]: "dead"}, "the worker does not go on")
    assert queue.effects() == [1, 2, 3]
    (job,) = queue.world.as_dba("select attempts, reason from jobs.overview where id = %s", row["id"])
    assert job["attempts"] == 3
    assert "Error" in job["reason"]


def test_a_worker_outlives_every_error_of_its_queue(queue: Queue) -> None:
    for function in ("reap", "queue_health"):
        queue.world.as_dba(
            "create or replace function edge." + function + "() returns jsonb language plpgsql"
            " security definer set search_path = '' as $$ begin return to_jsonb(1 / 0); end $$"
        )
    with worker(queue, "tests.worker.doomed", "never", "sound") as process:
        for expected in ([1], [1, 1], [1, 1, 1]):
            queue.stage_effects(1)
            eventually(lambda e=expected: queue.effects() == e, "no longer at work")  # type: ignore[misc]
        assert process.poll() is None


def test_a_task_that_does_not_end_does_not_keep_the_worker(queue: Queue) -> None:
    queue.stage_effects(1)
    with worker(queue, "tests.worker.doomed", "clinging", "sound") as process:
        eventually(lambda: queue.effects() == [1], "not at work")
        process.terminate()
        assert process.wait(10) == 1, "it gave up, and says so"
    queue.assert_each_effect_once(1)


def test_a_worker_whose_scheduler_ended_ends(queue: Queue) -> None:
    with worker(queue, "tests.worker.doomed", "unscheduled", "sound") as process:
        assert process.wait(30) == 1


def test_what_sql_jobs_change_is_the_workers_in_the_audit_log(queue: Queue) -> None:
    queue.world.as_dba(
        "create or replace function jobs.take_effect(payload jsonb) returns jsonb language plpgsql"
        " as $$ begin perform audit.record('job_at_work'); return null; end $$"
    )
    queue.stage("test.sql")
    actors = "select actor from audit.log where action = 'job_at_work'"
    with worker(queue, "tests.worker.doomed", "never", "sound"):
        eventually(lambda: queue.world.as_dba(actors) == [{"actor": "worker"}], "no or another actor")
