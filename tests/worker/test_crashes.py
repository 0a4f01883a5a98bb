"""Kill -9 of the worker at every step: no job is lost, and none takes effect twice.

Each step has a control, a worker that is broken so that a kill at just this step does harm, and does
none without a kill. The same assertion must catch it.
"""

import signal

import psutil
import pytest

from edge.worker.worker import REAP_SECONDS
from tests.jobs.queueing import Queue
from tests.worker.doomed import STEPS
from tests.worker.process import PATIENCE, drained, eventually, start, worker

JOBS = 5
SQL_STEPS = ("after_claim", "mid_work")


def crash_and_recover(queue: Queue, step: str, variant: str, kind: str) -> None:
    queue.stage_effects(JOBS, kind, seconds=0.3 if kind == "test.sql" else 0)
    doomed = start(queue, "tests.worker.doomed", step, variant, WORKER_CONCURRENCY="2")
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    queue.expire_leases()  # nobody is left to keep them
    recover(queue, variant)


def recover(queue: Queue, variant: str) -> None:
    # With some grace: those that end a job before they do it are still at it when the queue is empty.
    with worker(queue, "tests.worker.doomed", "never", variant, WORKER_GRACE_SECONDS="10"):
        eventually(lambda: drained(queue), "jobs are left over")
    queue.assert_each_effect_once(JOBS)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_worker_neither_loses_nor_repeats_work(queue: Queue, step: str) -> None:
    crash_and_recover(queue, step, "sound", "test.python")


@pytest.mark.parametrize("step", SQL_STEPS)
def test_a_killed_worker_neither_loses_nor_repeats_sql_work(queue: Queue, step: str) -> None:
    crash_and_recover(queue, step, "sound", "test.sql")


CONTROLS = [
    ("before_claim", "pops", "test.python", "lost"),
    ("after_claim", "forgets", "test.python", "lost"),
    ("mid_work", "forgets", "test.python", "lost"),
    ("before_commit", "repeats", "test.python", "repeated"),
    ("after_commit", "repeats", "test.python", "repeated"),
    ("before_completion", "repeats", "test.python", "repeated"),
    ("before_release", "forgets", "test.python", "lost"),
    ("after_release", "drops", "test.python", "lost"),
    ("after_claim", "forgets", "test.sql", "lost"),
    ("mid_work", "repeats", "test.sql", "repeated"),
]


@pytest.mark.parametrize(("step", "variant", "kind", "harm"), CONTROLS)
def test_a_worker_that_forgets_or_repeats_is_caught(
    queue: Queue, step: str, variant: str, kind: str, harm: str
) -> None:
    """The controls: done before the work, or in a transaction apart from it.

    A worker that is killed before it claims has touched nothing, so that no honest claim can be wrong
    here; what can be is one that takes jobs off the queue before it has them.
    """
    with pytest.raises(AssertionError, match="effects of"):
        crash_and_recover(queue, step, variant, kind)
    effects = queue.effects()
    assert (len(effects) < JOBS) == (harm == "lost"), "not stuck, and nothing else is wrong with it"
    assert (len(set(effects)) < len(effects)) == (harm == "repeated")


def test_each_step_has_its_control() -> None:
    controlled = {(step, kind) for step, _, kind, _ in CONTROLS}
    assert {(step, "test.python") for step in STEPS} | {
        (step, "test.sql") for step in SQL_STEPS
    } <= controlled


@pytest.mark.parametrize(("variant", "kind"), sorted({(variant, kind) for _, variant, kind, _ in CONTROLS}))
def test_what_the_controls_do_wrong_shows_in_a_crash_only(queue: Queue, variant: str, kind: str) -> None:
    queue.stage_effects(JOBS, kind)
    recover(queue, variant)


def sleep_through_the_lease(queue: Queue, variant: str) -> None:
    """One worker stops in the middle of a job until another has done it, then goes on as if nothing were."""
    queue.stage_effects(JOBS)
    with worker(queue, "tests.worker.doomed", "asleep", variant, WORKER_CONCURRENCY="1") as sleeper:
        process = psutil.Process(sleeper.pid)
        eventually(lambda: process.status() == psutil.STATUS_STOPPED, "it does not fall asleep")
        try:
            recover(queue, "sound")
        finally:
            # Both at once: it goes on where it stopped before it hears that it shall end.
            sleeper.terminate()
            sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait(PATIENCE) == 0
    queue.assert_each_effect_once(JOBS)


def test_a_worker_that_lost_its_lease_is_fenced(queue: Queue) -> None:
    sleep_through_the_lease(queue, "sound")


def test_a_worker_without_a_fence_is_caught(queue: Queue) -> None:
    with pytest.raises(AssertionError, match="effects of"):
        sleep_through_the_lease(queue, "unfenced")
    assert len(queue.effects()) == JOBS + 1


def test_work_of_a_killed_worker_runs_again_within_a_minute(queue: Queue) -> None:
    """Its lease ends, and then nobody but the other worker looks."""
    queue.stage_effects(1)
    assert start(queue, "tests.worker.doomed", "after_claim", "sound").wait(PATIENCE) == -signal.SIGKILL
    until_seen = REAP_SECONDS * 1.2 + 5  # and some time to start and to work
    with worker(queue, "tests.worker.doomed", "never", "sound"):
        eventually(lambda: queue.effects() == [1], "not again in time", patience=2 + until_seen)
    (kind,) = queue.world.as_dba("select max(lease_seconds) as longest from jobs.kinds")
    assert kind["longest"] + until_seen < 60


def test_a_stopping_worker_returns_what_it_holds(queue: Queue) -> None:
    queue.stage_effects(1)
    with worker(queue, "tests.worker.doomed", "stuck", "sound") as process:
        eventually(lambda: "running" in queue.states().values(), "nothing was claimed")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    (job,) = queue.world.as_dba("select state, attempts, lost_leases from jobs.queue")
    assert job == {"state": "ready", "attempts": 0, "lost_leases": 0}
