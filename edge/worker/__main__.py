"""`python -m edge.worker`: work until told to stop, finish or return what is held."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack

import structlog

from edge.database import Database
from edge.logs import configure_logs, standard_logging
from edge.settings import SettingsError
from edge.worker.handlers import handlers as registered_handlers
from edge.worker.job import Handler
from edge.worker.monitor import Monitor
from edge.worker.queue import Queue
from edge.worker.scheduler import Scheduler
from edge.worker.settings import WorkerSettings, load_worker_settings
from edge.worker.worker import Worker, cancelled

_CONNECTIONS_BESIDE_JOBS = 3  # claim, heartbeat, schedules
_LAST_SECONDS = 10.0  # beyond the grace: to cancel, to give back, to disconnect

_log = structlog.get_logger("edge.worker")
_background: set[asyncio.Task[None]] = set()  # the loop alone would let go of them


def main(handlers: Mapping[str, Handler] | None = None, queue: type[Queue] = Queue) -> int:
    """Work with these handlers, or those that are registered.

    Returns the exit code: 2 when the environment does not allow to start.
    """
    try:
        settings = load_worker_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    configure_logs(settings.log_format)
    logging.config.dictConfig(standard_logging(settings.log_format))
    monitor = Monitor()
    with ExitStack() as stack:
        try:
            stack.enter_context(monitor.serving(settings.host, settings.port))
        except OSError as error:
            print(f"WORKER_HOST and WORKER_PORT: {error.strerror}", file=sys.stderr)
            return 2
        asyncio.run(work(settings, handlers or registered_handlers(settings), monitor, queue))
    return 0


async def work(
    settings: WorkerSettings, handlers: Mapping[str, Handler], monitor: Monitor, queue: type[Queue]
) -> None:
    """Run worker and scheduler until SIGTERM or SIGINT, or until one of them fails."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    _bound(stopping, settings.grace_seconds + _LAST_SECONDS)
    try:
        await _work(settings, handlers, monitor, queue, stopping)
    except Exception:
        _log.critical("failed", exc_info=True)
        raise
    finally:
        # One that ignores it would keep the process for as long as it likes.
        if not await cancelled(*(asyncio.all_tasks() - {asyncio.current_task()})):
            _give_up()


async def _work(
    settings: WorkerSettings,
    handlers: Mapping[str, Handler],
    monitor: Monitor,
    queue: type[Queue],
    stopping: asyncio.Event,
) -> None:
    database = Database(settings.database_url, settings.concurrency + _CONNECTIONS_BESIDE_JOBS)
    async with database.opened():
        worker = Worker(
            queue(database, f"{socket.gethostname()}:{os.getpid()}", settings.job_timeout),
            database.as_service(),
            handlers,
            monitor,
            settings,
        )
        scheduling = asyncio.create_task(Scheduler(database, monitor).run())
        scheduling.add_done_callback(lambda _: stopping.set())  # it never ends by itself: that is a fault
        try:
            await worker.run(stopping)
            if scheduling.done():
                scheduling.result()
        finally:
            await cancelled(scheduling)


def _bound(stopping: asyncio.Event, seconds: float) -> None:
    """Give up if so long after the signal the process is still there."""
    loop = asyncio.get_running_loop()

    async def arm() -> None:
        await stopping.wait()
        loop.call_later(seconds, _give_up)

    _background.add(asyncio.create_task(arm()))


def _give_up() -> None:
    """Leave at once. Every crash is survived, so this is too: leases expire, and others go on."""
    tasks = sorted(repr(task.get_coro()) for task in asyncio.all_tasks() if not task.done())
    _log.critical("does_not_end", tasks=tasks)
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
