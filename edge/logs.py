"""Structured logs on standard output. Tokens, bodies and query strings are never handed to them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from edge.request_id import current_request_id

if TYPE_CHECKING:  # workers serve no requests
    from edge.exchange import Exchange

LogFormat = Literal["json", "console"]

_access = structlog.get_logger("edge.access")


def log_exchange(exchange: Exchange) -> None:
    """Write the one access line of a request."""
    _access.info(
        "request",
        method=exchange.method,
        route=exchange.route,
        status=exchange.status,
        duration_ms=round(exchange.seconds * 1000, 2),
        user_id=str(exchange.user_id) if exchange.user_id else None,
    )


def configure_logs(log_format: LogFormat) -> None:
    """Set up structlog for this process."""
    structlog.configure(
        processors=[*_enrichment(), _renderer(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def standard_logging(log_format: LogFormat) -> dict[str, Any]:
    """A `logging.config` dictionary with which libraries and the server write the same kind of lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "edge.logs.line_formatter", "log_format": log_format}},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}
        },
        "root": {"handlers": ["stdout"], "level": "WARNING"},
        "loggers": {"_granian": {"level": "INFO"}},
    }


def line_formatter(log_format: LogFormat) -> logging.Formatter:
    """The formatter that `standard_logging` names."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_enrichment(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
    )


def _enrichment() -> list[Processor]:
    return [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def _renderer(log_format: LogFormat) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=False)
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(line: EventDict, **_: object) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _add_request_id(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    if request_id := current_request_id():
        line["request_id"] = request_id
    return line
