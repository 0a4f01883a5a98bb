"""`python -m edge.worker`: work until told to stop, finish or return what is held."""

from __future__ import annotations

import asyncio
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from edge.database import Database
from edge.logs import configure_logs, standard_logging
from edge.settings import SettingsError
from edge.worker.handlers import handlers as registered_handlers
from edge.worker.job import Handler
from edge.worker.monitor import Monitor
from edge.worker.queue import Queue
from edge.worker.scheduler import Scheduler
from edge.worker.settings import WorkerSettings, load_worker_settings
from edge.worker.worker import Worker

_CONNECTIONS_BESIDE_JOBS = 3  # claim, heartbeat, schedules


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
    """Run worker and scheduler until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

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
        try:
            await worker.run(stopping)
        finally:
            scheduling.cancel()
            await asyncio.gather(scheduling, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
