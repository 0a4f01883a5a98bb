"""Workers as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scripts.stack.settings import ROOT
from tests.edge.process import free_port
from tests.jobs.queueing import Queue

PATIENCE = 60.0
"""Seconds after which something that must happen counts as not happening."""

Process = subprocess.Popen[bytes]


def start(queue: Queue, *command: str, **environ: str) -> Process:
    """A worker on this queue; `command` is a module and its arguments."""
    settings = {
        "EDGE_DATABASE_URL": queue.service_url,
        "WORKER_PORT": str(free_port()),
        "WORKER_GRACE_SECONDS": "0",
        "SMTP_URL": "smtp://127.0.0.1:9",  # where nobody listens
        "MAIL_FROM": "Groundwork <noreply@example.com>",
        "SITE_URL": "https://app.example.com",
        "EDGE_URL": "https://edge.example.com",
        "STRIPE_API_BASE": "http://127.0.0.1:9",
        "STRIPE_SECRET_KEY": "sk_test_of_nobody",
        **environ,
    }
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    )


@contextmanager
def worker(queue: Queue, *command: str, **environ: str) -> Iterator[Process]:
    process = start(queue, *command, **environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)


def eventually(condition: Callable[[], bool], complaint: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def drained(queue: Queue) -> bool:
    """Whether nothing waits any more; vanished workers are noticed without waiting for their leases."""
    queue.reap()
    return not queue.world.as_dba("select id from jobs.queue limit 1")
