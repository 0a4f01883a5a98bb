"""Prometheus metrics, the same from whichever worker answers the scrape.

With several workers each one writes its numbers to files in PROMETHEUS_MULTIPROC_DIR, and the
answer adds them up. That directory must be set before prometheus_client is imported.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from litestar import Response, get
from litestar.datastructures import State
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from edge.database import Database
from edge.exchange import Exchange
from edge.problems import LIMITED
from edge.rate_limits import limit_address

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_BY_ROUTE = ("method", "route", "status")
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PID_IN_FILE_NAME = re.compile(r"_(\d+)\.db$")


class Metrics:
    """Counts exchanges and events, and watches the pool of its own worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "edge_http_requests", "Requests answered.", _BY_ROUTE, registry=self._registry
        )
        self._seconds = Histogram(
            "edge_http_request_duration_seconds",
            "From the request's arrival to the end of its answer.",
            _BY_ROUTE,
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._events = Counter(
            "edge_stripe_events",
            "Events received from Stripe, by what became of them.",
            ("status",),
            registry=self._registry,
        )
        self._limited = Counter(
            "edge_rate_limited", "Requests refused, by limit.", ("limit",), registry=self._registry
        )
        self._connections = Gauge(
            "edge_database_connections",
            "Connections of the pool, by what they do.",
            ("state",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._waiting = Gauge(
            "edge_database_waiting",
            "Requests that wait for a connection.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def count(self, exchange: Exchange) -> None:
        """Record a finished exchange under its route template and status class."""
        labels = (exchange.method, exchange.route, f"{exchange.status // 100}xx")
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(exchange.seconds)
        self._watch_pool()

    def received(self, status: str) -> None:
        """Record an event of Stripe."""
        self._events.labels(status).inc()

    def limited(self, name: str) -> None:
        """Record a request that a rate limit refused."""
        self._limited.labels(name).inc()

    def render(self) -> bytes:
        """The exposition text over all workers."""
        self._watch_pool()
        directory = os.environ.get(DIRECTORY_VARIABLE)
        if directory is None:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(directory))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _watch_pool(self) -> None:
        pool = self._database.pool_state()
        self._connections.labels("idle").set(pool.idle)
        self._connections.labels("busy").set(pool.busy)
        self._waiting.set(pool.waiting)


def _forget_dead_workers(directory: Path) -> None:
    """A worker that was killed cannot take back its gauges itself."""
    pids = {match[1] for path in directory.iterdir() if (match := _PID_IN_FILE_NAME.search(path.name))}
    for pid in map(int, pids):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, path=str(directory))  # type: ignore[no-untyped-call]


@get(
    "/metrics",
    sync_to_thread=False,
    guards=[limit_address],
    rate_limit="metrics",
    summary="Prometheus metrics",
    response_description="The exposition text",
    media_type="text/plain",
    responses=LIMITED,
)
def read_metrics(state: State) -> Response[bytes]:
    """Requests, latencies and connections of all workers."""
    metrics: Metrics = state.metrics
    return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)
