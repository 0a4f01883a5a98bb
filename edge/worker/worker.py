"""The worker's loop: claim as much as it has room for, do it, say what became of it.

What it does not manage to say is said by the lease: it expires, and another worker takes the job.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import psycopg
import structlog

from edge.database import Caller
from edge.request_id import identified
from edge.worker.completions import Completions
from edge.worker.job import Finished, Handler, Job, RetryLater
from edge.worker.monitor import Monitor
from edge.worker.persistence import Unanswered, until_heard
from edge.worker.queue import Outcome, Queue
from edge.worker.settings import WorkerSettings

BUSY_PAUSE: Final = 0.02
IDLE_PAUSE: Final = 0.25
"""Between two polls that find nothing: doubled from the first to the second."""

REAP_SECONDS: Final = 5.0
"""Between two looks for expired leases, give or take a fifth."""

_GATHER = 0.002  # slots that become free together are filled by one claim
_HEARTBEATS_PER_LEASE = 3
_RELEASE_TIMEOUT = 5.0
_CANCEL_TIMEOUT = 1.0

_log = structlog.get_logger("edge.worker")


class Worker:
    """Does jobs until told to stop; any number of workers may share a queue."""

    def __init__(
        self,
        queue: Queue,
        caller: Caller,
        handlers: Mapping[str, Handler],
        monitor: Monitor,
        settings: WorkerSettings,
    ) -> None:
        self._queue = queue
        self._caller = caller
        self._handlers = handlers
        self._monitor = monitor
        self._settings = settings
        self._completions = Completions(queue)
        self._held: dict[Job, asyncio.Task[None]] = {}
        self._reporting: set[Job] = set()
        self._lost: set[Job] = set()
        self._room = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`, then finish or return what is held."""
        background = [
            asyncio.create_task(self._keep_leases()),
            asyncio.create_task(self._reap()),
        ]
        for task in background:
            task.add_done_callback(lambda _: stopping.set())  # a loop that ended is a fault: end with it
        try:
            await self._take(stopping)
            await self._finish_or_release()
            for task in background:
                if task.done():
                    task.result()
        finally:
            await cancelled(*background)

    async def _take(self, stopping: asyncio.Event) -> None:
        stop = asyncio.create_task(stopping.wait())
        pause = BUSY_PAUSE
        while not stopping.is_set():
            room = self._settings.concurrency - len(self._held)
            if room <= 0:
                self._room.clear()
                await _first(stop, asyncio.create_task(self._room.wait()))
                await asyncio.sleep(_GATHER)
                continue
            try:
                jobs = await self._queue.claim(room)
            except Unanswered as error:
                _log.warning("cannot_claim", reason=f"{type(error).__name__}: {error}")
                jobs = []
            else:
                self._monitor.polled()
            for job in jobs:
                self._start(job)
            pause = BUSY_PAUSE if jobs else min(pause * 2, IDLE_PAUSE)
            if len(jobs) < room:
                # Spread, so that workers that became idle together do not poll together.
                await asyncio.wait([stop], timeout=pause * random.uniform(0.75, 1.25))  # noqa: S311

        stop.cancel()

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job))
        self._held[job] = task
        self._monitor.running(len(self._held))

        def ended(_: asyncio.Task[None]) -> None:
            self._held.pop(job, None)
            self._monitor.running(len(self._held))
            self._room.set()

        task.add_done_callback(ended)

    async def _work(self, job: Job) -> None:
        started = time.monotonic()
        with identified(f"job-{job.id}-{job.lease}"):
            try:
                outcome, error = await self._attempt(job)
            except asyncio.CancelledError:
                if job not in self._lost:
                    raise
                outcome, error = "lease_lost", None
            except Exception:
                # What could not be reported is told by the lease when it expires.
                _log.exception("not_reported", job_id=job.id, kind=job.kind)
                return
            finally:
                self._reporting.discard(job)
                self._lost.discard(job)
            seconds = time.monotonic() - started
            self._monitor.count(job.kind, outcome, seconds)
            level = _log.info if outcome in {"done", "later"} else _log.warning
            level(
                "job",
                job_id=job.id,
                kind=job.kind,
                attempt=job.attempt,
                outcome=outcome,
                duration_ms=round(seconds * 1000, 2),
                error=error,
            )

    async def _attempt(self, job: Job) -> tuple[Outcome, str | None]:
        if job.handler == "sql":
            return await self._run_sql(job)
        handler = self._handlers.get(job.kind)
        if handler is None:
            reason = f"this worker has no handler for {job.kind}"
            return await self._report(job, lambda: self._queue.retry_later(job, reason, 30)), reason
        try:
            _ = job.payload  # one that cannot be read fails before any work is done
            async with asyncio.timeout(self._settings.job_timeout):
                result = await handler(job, self._caller)
        except RetryLater as later:
            reason, seconds = str(later), later.seconds
            return await self._report(job, lambda: self._queue.retry_later(job, reason, seconds)), reason
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            _log.warning("attempt_failed", job_id=job.id, kind=job.kind, exc_info=error)
            return await self._report(job, lambda: self._queue.fail(job, text)), text
        if isinstance(result, Finished):
            return "done", None
        return await self._report(job, lambda: self._completions.add(job, result)), None

    async def _run_sql(self, job: Job) -> tuple[Outcome, str | None]:
        try:
            return await self._queue.run(job), None
        except (psycopg.errors.QueryCanceled, psycopg.DatabaseError) as error:
            if isinstance(error, psycopg.OperationalError) and not isinstance(
                error, psycopg.errors.QueryCanceled
            ):
                raise  # nobody knows whether it committed: only the lease may decide
            text = f"{type(error).__name__}: {error.diag.message_primary}"
            return await self._report(job, lambda: self._queue.fail(job, text)), text

    async def _report(self, job: Job, report: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Say it until it is heard, as long as the lease may last; saying it twice does no harm."""
        self._reporting.add(job)
        return await until_heard(report, job.lease_seconds)

    async def _keep_leases(self) -> None:
        while True:
            shortest = min((job.lease_seconds for job in self._held), default=3)
            await asyncio.sleep(min(shortest / _HEARTBEATS_PER_LEASE, 10.0))
            # A SQL job keeps itself alive by the lock that its transaction holds.
            jobs = [j for j in self._held if j.handler == "python" and j not in self._reporting]
            if not jobs:
                continue
            try:
                lost = await self._queue.heartbeat(jobs)
            except Unanswered as error:
                _log.warning("no_heartbeat", reason=f"{type(error).__name__}: {error}")
                continue
            for job in jobs:
                task = self._held.get(job)
                if job.id in lost and task and job not in self._reporting:
                    self._lost.add(job)
                    task.cancel()

    async def _reap(self) -> None:
        while True:
            try:
                counts = await self._queue.reap()
                if counts["again"] or counts["dead"]:
                    _log.warning("reaped", **counts)
            except Unanswered as error:
                _log.warning("cannot_reap", reason=f"{type(error).__name__}: {error}")
            try:  # apart, because it is what shows that nobody reaps
                self._monitor.observe(await self._queue.health())
            except Unanswered as error:
                _log.warning("no_health", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(REAP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311

    async def _finish_or_release(self) -> None:
        _log.info("stopping", held=len(self._held))
        if self._held:
            await asyncio.wait(list(self._held.values()), timeout=self._settings.grace_seconds)
        unfinished = dict(self._held)
        await cancelled(*unfinished.values())
        if unfinished:
            try:
                async with asyncio.timeout(_RELEASE_TIMEOUT):
                    await self._queue.release(list(unfinished))
            except (*Unanswered, TimeoutError) as error:
                _log.warning("not_released", jobs=len(unfinished), reason=f"{type(error).__name__}: {error}")
        _log.info("stopped", released=len(unfinished))


async def cancelled(*tasks: asyncio.Task[Any] | None) -> bool:
    """Cancel these and say whether they ended soon; cancellation can get lost inside of a library."""
    ending = [task for task in tasks if task]
    for task in ending:
        task.cancel()
    if not ending:
        return True
    _, pending = await asyncio.wait(ending, timeout=_CANCEL_TIMEOUT)
    return not pending


async def _first(*tasks: asyncio.Task[Any]) -> None:
    """Wait until one is done; the last is ours and ends with it."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[-1].cancel()
