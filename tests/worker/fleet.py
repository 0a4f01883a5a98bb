"""`python -m tests.worker.fleet SIZE CRASHES VARIANT`: forked workers, each replaced when it is killed.

A job whose number is divisible by twenty kills the worker that has it, once: a file in the directory
CRASHES remembers. So one job in twenty takes a worker down in the middle of its work, together with
whatever else that worker holds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from edge.database import Caller
from edge.logs import configure_logs
from edge.worker.__main__ import work
from edge.worker.job import FINISHED, Job, Result
from edge.worker.monitor import Monitor
from edge.worker.queue import Outcome, Queue
from edge.worker.settings import load_worker_settings

SIZE, CRASHES, VARIANT = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def crash_once(job: Job) -> None:
    n = job.payload["n"]
    if n % 20 == 0:
        try:
            (CRASHES / str(n)).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class FleetQueue(Queue):
    async def run(self, job: Job) -> Outcome:
        running = asyncio.create_task(super().run(job))
        await asyncio.sleep(0)
        crash_once(job)
        return await running


async def take_effect(job: Job, caller: Caller) -> Result:
    n = job.payload["n"]
    if VARIANT == "repeats":
        await caller.call("select edge.record_effect_alone(%(n)s)", {"n": n})
        crash_once(job)
        return {}
    crash_once(job)
    await caller.call(
        "select edge.record_effect(%(id)s, %(lease)s, %(n)s)", {"id": job.id, "lease": job.lease, "n": n}
    )
    return FINISHED


def child() -> int:
    pid = os.fork()
    if pid == 0:
        configure_logs("json")
        asyncio.run(
            work(load_worker_settings(os.environ), {"test.python": take_effect}, Monitor(), FleetQueue)
        )
        os._exit(0)
    return pid


def main() -> None:
    pids = {child() for _ in range(SIZE)}
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while pids:
        pid, status = os.wait()
        pids.discard(pid)
        if not stopping and os.WIFSIGNALED(status):
            pids.add(child())


if __name__ == "__main__":
    main()
