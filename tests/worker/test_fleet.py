"""Eight workers, thousands of jobs, one in twenty of which kills its worker: each effect once.

GROUNDWORK_JOBS sets how many; 20000 takes some minutes.
"""

import os
from pathlib import Path

import pytest

from tests.jobs.queueing import Queue
from tests.worker.process import drained, eventually, worker

JOBS = int(os.environ.get("GROUNDWORK_JOBS", "1500"))
WORKERS = "8"


def work_off(queue: Queue, crashes: Path, jobs: int, variant: str) -> None:
    with worker(queue, "tests.worker.fleet", WORKERS, str(crashes), variant, WORKER_CONCURRENCY="4"):
        eventually(lambda: drained(queue), "jobs are left over", patience=60 + jobs / 20)


def test_every_effect_is_taken_once(queue: Queue, tmp_path: Path) -> None:
    queue.world.as_dba(
        # numbers divisible by twenty fall to both kinds
        "select jobs.enqueue("
        "'test.' || (array['sql', 'python'])[1 + g / 20 %% 2], jsonb_build_object('n', g))"
        " from generate_series(1, %s) as g",
        JOBS,
    )
    work_off(queue, tmp_path, JOBS, "sound")
    assert len(list(tmp_path.iterdir())) == JOBS // 20, "so many workers were killed"
    queue.assert_each_effect_once(JOBS)


def test_a_fleet_that_repeats_effects_is_caught(queue: Queue, tmp_path: Path) -> None:
    """The control: the effect in one transaction, the completion in another."""
    queue.stage_effects(200)
    work_off(queue, tmp_path, 200, "repeats")
    with pytest.raises(AssertionError):
        queue.assert_each_effect_once(200)
