"""Kill -9 of the worker at every step: no job is lost, and none takes effect twice."""

import signal

import pytest

from tests.jobs.queueing import Queue
from tests.worker.doomed import STEPS
from tests.worker.process import PATIENCE, drained, eventually, start, worker

JOBS = 5


def crash_and_recover(queue: Queue, step: str, variant: str, kind: str) -> None:
    queue.stage_effects(JOBS, kind, seconds=0.3 if kind == "test.sql" else 0)
    doomed = start(queue, "tests.worker.doomed", step, variant, WORKER_CONCURRENCY="2")
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    with worker(queue, "tests.worker.doomed", "never", variant):
        eventually(lambda: drained(queue), "jobs are left over")
    queue.assert_each_effect_once(JOBS)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_worker_neither_loses_nor_repeats_work(queue: Queue, step: str) -> None:
    crash_and_recover(queue, step, "sound", "test.python")


@pytest.mark.parametrize("step", ["after_claim", "mid_work"])
def test_a_killed_worker_neither_loses_nor_repeats_sql_work(queue: Queue, step: str) -> None:
    crash_and_recover(queue, step, "sound", "test.sql")


@pytest.mark.parametrize(
    ("step", "variant"),
    [
        ("after_claim", "forgets"),
        ("mid_work", "forgets"),
        ("before_release", "forgets"),
        ("before_completion", "repeats"),
    ],
)
def test_a_worker_that_forgets_or_repeats_is_caught(queue: Queue, step: str, variant: str) -> None:
    """The controls: done before the work, or in a transaction apart from it."""
    with pytest.raises(AssertionError, match="effects of"):
        crash_and_recover(queue, step, variant, "test.python")
    effects = queue.effects()
    assert len(effects) != JOBS, "lost or repeated, not stuck"


def test_a_stopping_worker_returns_what_it_holds(queue: Queue) -> None:
    queue.stage_effects(1)
    with worker(queue, "tests.worker.doomed", "stuck", "sound") as process:
        eventually(lambda: "running" in queue.states().values(), "nothing was claimed")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    (job,) = queue.world.as_dba("select state, attempts, lost_leases from jobs.queue")
    assert job == {"state": "ready", "attempts": 0, "lost_leases": 0}
