"""Health and metrics of one worker, on a port of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

READY_SECONDS: Final = 10.0
"""Without a successful poll for so long the worker is not ready: it cannot reach its queue."""

_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 900)


class Monitor:
    """Counts what the worker does, and answers who asks."""

    def __init__(self) -> None:
        self._last_poll = float("-inf")
        self._held = 0
        self.registry = CollectorRegistry()
        self._jobs = Counter(
            "worker_jobs", "Attempts, by what became of them.", ("kind", "outcome"), registry=self.registry
        )
        self._seconds = Histogram(
            "worker_job_duration_seconds",
            "Of an attempt.",
            ("kind",),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._running = Gauge("worker_jobs_running", "Jobs that this worker holds.", registry=self.registry)
        self._slots = Counter(
            "worker_slots", "Slots seen, by who was first.", ("schedule", "outcome"), registry=self.registry
        )
        self._lag = Gauge(
            "queue_oldest_ready_seconds", "How long the next ready job has been due.", registry=self.registry
        )
        self._leased = Gauge("queue_running", "Jobs under a lease, of all workers.", registry=self.registry)
        self._dead = Gauge("queue_dead", "Dead jobs that wait for a decision.", registry=self.registry)
        self._lost = Gauge(
            "queue_dead_by_lost_leases",
            "Those of the dead jobs with which workers kept vanishing.",
            registry=self.registry,
        )
        self._expired = Gauge(
            "queue_oldest_expired_lease_seconds",
            "How long the job of a vanished worker has not been reaped.",
            registry=self.registry,
        )
        self._late = Gauge(
            "queue_late_schedules", "Schedules whose slot passed unfired.", registry=self.registry
        )

    def polled(self) -> None:
        """The queue answered."""
        self._last_poll = time.monotonic()

    def running(self, held: int) -> None:
        """The worker holds so many jobs."""
        self._held = held
        self._running.set(held)

    def count(self, kind: str, outcome: str, seconds: float) -> None:
        """An attempt ended."""
        self._jobs.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def fired(self, schedule: str, outcome: str) -> None:
        """A slot was fired, or somebody else was first."""
        self._slots.labels(schedule, outcome).inc()

    def observe(self, health: dict[str, Any]) -> None:
        """Take over what the database says about the whole queue."""
        self._lag.set(health["oldest_ready_seconds"])
        self._leased.set(health["running"])
        self._dead.set(health["dead"])
        self._lost.set(health["dead_by_lost_leases"])
        self._expired.set(health["oldest_expired_lease_seconds"])
        self._late.set(len(health["late_schedules"]))

    @property
    def is_ready(self) -> bool:
        """Whether the queue could be reached lately, or the worker is simply full."""
        return time.monotonic() - self._last_poll < READY_SECONDS or self._held > 0

    def answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application."""
        status, content_type, body = HTTPStatus.OK, "application/json", b'{"status":"live"}'
        match environ["PATH_INFO"]:
            case "/metrics":
                content_type, body = CONTENT_TYPE_LATEST, generate_latest(self.registry)
            case "/health/ready" if self.is_ready:
                body = b'{"status":"ready"}'
            case "/health/ready":
                status, body = HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"unavailable"}'
            case "/health/live":
                pass
            case _:
                status, body = HTTPStatus.NOT_FOUND, b"{}"
        start(
            f"{status.value} {status.phrase}", [("Content-Type", content_type), ("Cache-Control", "no-store")]
        )
        return [body]

    @contextmanager
    def serving(self, host: str, port: int) -> Iterator[None]:
        """Answer on this port while the context lasts; raises OSError if it is taken."""
        server = make_server(host, port, self.answer, WSGIServer, _Silent)
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Probes are not worth a line."""
