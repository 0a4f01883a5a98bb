"""What the environment tells the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from edge.settings import DATABASE_URL, LOG_FORMAT, Secret, Variable, integer, read_variables


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that may differ between two workers."""

    host: str
    port: int
    """Where health and metrics answer."""
    concurrency: int
    """Jobs that it does at once; also about the number of its connections."""
    grace_seconds: float
    """How long it may finish what it holds when it is told to stop."""
    job_timeout: float
    """Seconds after which a job counts as stuck and fails."""
    log_format: Literal["json", "console"]
    database_url: Secret


def load_worker_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """Read the settings; raises `SettingsError` with all problems at once."""
    return WorkerSettings(**read_variables(environ, _VARIABLES))


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not lowest <= number <= highest:
            raise ValueError
        return number

    return parse


_VARIABLES = (
    Variable("host", "WORKER_HOST", "127.0.0.1", str, "an address to listen on"),
    Variable("port", "WORKER_PORT", "8001", integer(1, 65535), "a port number"),
    Variable("concurrency", "WORKER_CONCURRENCY", "8", integer(1, 200), "a number of jobs, 1 to 200"),
    Variable("grace_seconds", "WORKER_GRACE_SECONDS", "20", _seconds(0, 3600), "seconds, 0 to 3600"),
    Variable("job_timeout", "WORKER_JOB_TIMEOUT", "900", _seconds(1, 86400), "seconds, 1 to 86400"),
    LOG_FORMAT,
    DATABASE_URL,
)
