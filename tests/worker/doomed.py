"""`python -m tests.worker.doomed STEP VARIANT`: a worker that is killed at a step of its first job.

SIGKILL, as an operator or the kernel does it: nothing is cleaned up, no goodbye is sent. With the
step `never` it lives, with `stuck` it never ends its first job, with `asleep` it is stopped in the middle
of it until somebody continues it, with `clinging` its reaping ignores that it is cancelled, with
`unscheduled` its scheduler fails, with `slow` each job takes a while.
The variants other than `sound` are broken on purpose: what the tests must notice. As long as nothing
crashes they do every job once, as the sound one does.

    pops      takes jobs off the queue before it has them: at most once
    forgets   ends a job, then does it
    repeats   does a job, then ends it, in two transactions
    drops     when it stops, ends what it holds instead of giving it back
    unfenced  does not look whether its lease still counts
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, LiteralString

import psycopg

from edge.database import Caller
from edge.worker.__main__ import main
from edge.worker.job import FINISHED, Job, Result
from edge.worker.queue import Outcome, Queue
from edge.worker.scheduler import Scheduler

STEPS: Final = (
    "before_claim",
    "after_claim",
    "mid_work",
    "before_commit",
    "after_commit",
    "before_release",
    "after_release",
)
RECORD: Final[LiteralString] = (
    "select edge.record_effect_unfenced(%(id)s, %(lease)s, %(n)s)"
    if sys.argv[2:] == ["unfenced"]
    else "select edge.record_effect(%(id)s, %(lease)s, %(n)s)"
)
SLOW: Final = 0.05
"""Seconds that a slow job takes: so that whatever is killed under load is killed in the middle of jobs."""


def doom(step: str) -> None:
    """The end, if this is the step."""
    if sys.argv[1] == step:
        os.kill(os.getpid(), signal.SIGKILL)


class DoomedQueue(Queue):
    async def claim(self, batch: int) -> list[Job]:
        jobs: list[Job] = []
        if sys.argv[2] == "pops":
            jobs = await self._end(await super().claim(batch))
        doom("before_claim")
        jobs = jobs or await super().claim(batch)
        if sys.argv[2] == "forgets":
            jobs = await self._end(jobs)
        if jobs:
            doom("after_claim")
        return jobs

    async def run(self, job: Job) -> Outcome:
        if sys.argv[2] != "sound":
            await self._service.call("select edge.record_effect_alone(%(n)s)", {"n": job.payload["n"]})
            doom("mid_work")
            await self._end([job])
            return "done"
        running = asyncio.create_task(super().run(job))
        await asyncio.sleep(0.1)  # the transaction is open: its work sleeps
        doom("mid_work")
        return await running

    async def complete(self, jobs: Sequence[tuple[Job, Mapping[str, Any] | None]]) -> set[int]:
        doom("before_completion")
        return await super().complete(jobs)

    async def reap(self) -> dict[str, int]:
        while sys.argv[1] == "clinging":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return await super().reap()

    async def release(self, jobs: Sequence[Job]) -> None:
        doom("before_release")
        if sys.argv[2] == "drops":
            await self._end(jobs)
        await super().release(jobs)
        doom("after_release")

    async def _end(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that it did end: what was lost meanwhile is another worker's to do."""
        lost = await super().complete([(job, None) for job in jobs])
        return [job for job in jobs if job.id not in lost]


async def take_effect(job: Job, caller: Caller) -> Result:
    """The handler of test.python, as an author of handlers should write one."""
    step, variant, n = sys.argv[1], sys.argv[2], job.payload["n"]
    doom("mid_work")
    if step.endswith("_release"):
        os.kill(os.getpid(), signal.SIGTERM)
    if step.endswith("_release") or step == "stuck":
        await asyncio.sleep(60)
    if variant == "forgets" and step == "slow":  # in the middle of a statement when the server dies
        await caller.call("select edge.record_effect_alone(%(n)s) from pg_sleep(0.05)", {"n": n})
        return FINISHED
    await asyncio.sleep(SLOW if step == "slow" else job.payload.get("seconds", 0))
    if variant in ("pops", "forgets", "repeats"):
        await caller.call("select edge.record_effect_alone(%(n)s)", {"n": n})
        doom("before_commit")
        doom("after_commit")
        if variant == "repeats" and step == "slow":
            await asyncio.sleep(SLOW)
        return {} if variant == "repeats" else FINISHED
    if step in ("before_commit", "asleep"):
        if step == "asleep":
            os.kill(os.getpid(), signal.SIGSTOP)  # and on, before any heartbeat could say what was lost
        with psycopg.connect(os.environ["EDGE_DATABASE_URL"]) as connection:
            connection.execute(RECORD, {"id": job.id, "lease": job.lease, "n": n})
            doom("before_commit")
        return FINISHED
    await caller.call(RECORD, {"id": job.id, "lease": job.lease, "n": n})
    doom("after_commit")
    return FINISHED


async def fail(_: Scheduler) -> float:
    raise LookupError("on purpose")


if __name__ == "__main__":
    if sys.argv[1] == "unscheduled":
        Scheduler.tick = fail  # type: ignore[method-assign, assignment]
    sys.exit(main({"test.python": take_effect}, DoomedQueue))
