"""`python -m tests.worker.doomed STEP VARIANT`: a worker that is killed at a step of its first job.

SIGKILL, as an operator or the kernel does it: nothing is cleaned up, no goodbye is sent. With the
step `never` it lives, with `stuck` it never ends its first job. The variants other than `sound` are
broken on purpose: what the tests must notice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from edge.database import Caller
from edge.worker.__main__ import main
from edge.worker.job import FINISHED, Job, Result
from edge.worker.queue import Outcome, Queue

STEPS: Final = (
    "before_claim",
    "after_claim",
    "mid_work",
    "before_commit",
    "after_commit",
    "before_release",
    "after_release",
)


def doom(step: str) -> None:
    """The end, if this is the step."""
    if sys.argv[1] == step:
        os.kill(os.getpid(), signal.SIGKILL)


class DoomedQueue(Queue):
    async def claim(self, batch: int) -> list[Job]:
        doom("before_claim")
        jobs = await super().claim(batch)
        if jobs and sys.argv[2] == "forgets":
            await super().complete([(job, None) for job in jobs])
        if jobs:
            doom("after_claim")
        return jobs

    async def run(self, job: Job) -> Outcome:
        running = asyncio.create_task(super().run(job))
        await asyncio.sleep(0.1)  # the transaction is open: its work sleeps
        doom("mid_work")
        return await running

    async def complete(self, jobs: Sequence[tuple[Job, Mapping[str, Any] | None]]) -> set[int]:
        doom("before_completion")
        return await super().complete(jobs)

    async def release(self, jobs: Sequence[Job]) -> None:
        doom("before_release")
        await super().release(jobs)
        doom("after_release")


async def take_effect(job: Job, caller: Caller) -> Result:
    """The handler of test.python, as an author of handlers should write one."""
    n = job.payload["n"]
    doom("mid_work")
    if sys.argv[1].endswith("_release"):
        os.kill(os.getpid(), signal.SIGTERM)
    if sys.argv[1].endswith("_release") or sys.argv[1] == "stuck":
        await asyncio.sleep(60)
    if sys.argv[2] == "forgets":
        await caller.call("select edge.record_effect_alone(%(n)s)", {"n": n})
        return FINISHED
    if sys.argv[2] == "repeats":
        await caller.call("select edge.record_effect_alone(%(n)s)", {"n": n})
        return {}
    if sys.argv[1] == "before_commit":
        with psycopg.connect(os.environ["EDGE_DATABASE_URL"]) as connection:
            connection.execute("select edge.record_effect(%s, %s, %s)", [job.id, job.lease, n])
            doom("before_commit")
    await caller.call(
        "select edge.record_effect(%(id)s, %(lease)s, %(n)s)", {"id": job.id, "lease": job.lease, "n": n}
    )
    doom("after_commit")
    return FINISHED


if __name__ == "__main__":
    sys.exit(main({"test.python": take_effect}, DoomedQueue))
