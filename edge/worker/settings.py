"""What the environment tells the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal

import msgspec

from edge.emails.smtp import SmtpServer
from edge.settings import (
    DATABASE_URL,
    HTTP_URL,
    LOG_FORMAT,
    SITE_URL,
    STRIPE_API_BASE,
    STRIPE_SECRET_KEY,
    Secret,
    Variable,
    http_url,
    integer,
    read_variables,
)


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
    smtp: SmtpServer
    mail_from: Address
    """Its name is the product's in every mail, its domain that of the Message-IDs."""
    site_url: str
    """The app that links in mails lead to."""
    edge_url: str
    """Where the edge is reached from outside: links that unsubscribe lead there."""
    stripe_secret_key: Secret
    stripe_api_base: str


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


def _address(text: str) -> Address:
    if not text.isprintable():
        raise ValueError
    name, addr_spec = parseaddr(text)
    return Address(name, addr_spec=addr_spec)  # whatever it refuses is a ValueError


_VARIABLES = (
    Variable("host", "WORKER_HOST", "127.0.0.1", str, "an address to listen on"),
    Variable("port", "WORKER_PORT", "8001", integer(1, 65535), "a port number"),
    Variable("concurrency", "WORKER_CONCURRENCY", "8", integer(1, 200), "a number of jobs, 1 to 200"),
    Variable("grace_seconds", "WORKER_GRACE_SECONDS", "20", _seconds(0, 3600), "seconds, 0 to 3600"),
    Variable("job_timeout", "WORKER_JOB_TIMEOUT", "900", _seconds(1, 86400), "seconds, 1 to 86400"),
    LOG_FORMAT,
    DATABASE_URL,
    Variable(
        "smtp", "SMTP_URL", None, SmtpServer.from_url, "a URL like smtps://user:password@smtp.example.com"
    ),
    Variable("mail_from", "MAIL_FROM", None, _address, "an address like Product <noreply@example.com>"),
    SITE_URL,
    Variable("edge_url", "EDGE_URL", None, http_url, HTTP_URL),
    STRIPE_SECRET_KEY,
    STRIPE_API_BASE,
)
