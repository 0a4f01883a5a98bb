"""Done jobs are reported together: whatever is done while one report is under way goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from edge.worker.job import Job
from edge.worker.queue import Outcome, Queue

_LARGEST = 500

Done = tuple[Job, Mapping[str, Any] | None]


class Completions:
    """Collects, so that a busy worker commits once for many jobs and an idle one at once for each."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._waiting: list[tuple[Done, asyncio.Future[Outcome]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, job: Job, result: Mapping[str, Any] | None) -> Outcome:
        """Report the job as done; returns when that is committed or refused."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(((job, result), answer))
        if self._task is None:
            self._task = asyncio.create_task(self._report())
        return await answer

    async def _report(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_LARGEST], self._waiting[_LARGEST:]
            try:
                lost = await self._queue.complete([done for done, _ in batch])
            except Exception as error:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (job, _), answer in batch:
                if not answer.done():
                    answer.set_result("lease_lost" if job.id in lost else "done")
        self._task = None
