"""The queue as the worker sees it: each method is one function of schema edge, in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from edge.database import Database
from edge.worker import queries
from edge.worker.job import Job

Outcome = Literal["done", "retry", "later", "dead", "lease_lost"]
"""What became of an attempt. `lease_lost`: another worker has the job, nothing of this one counts."""

_CLIENT_PATIENCE = 5.0
"""Seconds beyond the statement timeout, for a server that stopped answering."""


class Queue:
    """Takes jobs and says what became of them."""

    def __init__(self, database: Database, worker: str, job_timeout: float) -> None:
        self._service = database.as_service()
        self._worker = worker
        self._job_timeout = job_timeout
        self._long = database.as_worker(job_timeout)

    async def claim(self, batch: int) -> list[Job]:
        """Take up to so many jobs."""
        rows = await self._service.call(queries.CLAIM, {"worker": self._worker, "batch": batch})
        return msgspec.convert(rows, list[Job], strict=False)

    async def run(self, job: Job) -> Outcome:
        """Do a job whose work is SQL: work and completion commit together."""
        return await self._outcome(
            self._long.call(
                queries.RUN,
                {"id": job.id, "lease": job.lease},
                timeout=self._job_timeout + _CLIENT_PATIENCE,
            )
        )

    async def complete(self, jobs: Sequence[tuple[Job, Mapping[str, Any] | None]]) -> set[int]:
        """End jobs as done; returns the ids of those whose lease was lost."""
        results = [None if result is None else msgspec.json.encode(result).decode() for _, result in jobs]
        lost = await self._service.call(
            queries.COMPLETE, {**_held([job for job, _ in jobs]), "results": results}
        )
        return set(lost)

    async def fail(self, job: Job, error: str) -> Outcome:
        """Burn an attempt."""
        # A NUL cannot be stored, and must not make the report of an error an error.
        return await self._outcome(
            self._service.call(
                queries.FAIL, {"id": job.id, "lease": job.lease, "error": error.replace("\0", "")}
            )
        )

    async def retry_later(self, job: Job, reason: str, seconds: float) -> Outcome:
        """Wait for a dependency."""
        return await self._outcome(
            self._service.call(
                queries.RETRY_LATER,
                {"id": job.id, "lease": job.lease, "reason": reason.replace("\0", ""), "delay": seconds},
            )
        )

    async def heartbeat(self, jobs: Sequence[Job]) -> set[int]:
        """Extend the leases; returns the ids of those that are lost."""
        return set(await self._service.call(queries.HEARTBEAT, _held(jobs)))

    async def release(self, jobs: Sequence[Job]) -> None:
        """Give back what will not be finished here."""
        await self._service.call(queries.RELEASE, _held(jobs))

    async def reap(self) -> dict[str, int]:
        """Let jobs of vanished workers run again."""
        counts: dict[str, int] = await self._service.call(queries.REAP)
        return counts

    async def health(self) -> dict[str, Any]:
        """Lag, expired leases, running and dead jobs, schedules that stopped."""
        health: dict[str, Any] = await self._service.call(queries.HEALTH)
        return health

    async def _outcome(self, call: Any) -> Outcome:
        outcome: Outcome = await call
        return outcome


def _held(jobs: Sequence[Job]) -> dict[str, list[int]]:
    return {"ids": [job.id for job in jobs], "leases": [job.lease for job in jobs]}
