"""Every failure leaves as an RFC 9457 problem, and says nothing internal."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from edge.errors import CATALOGUE, EdgeError, invalid
from edge.malformed import broken_rules
from edge.problem_schemas import SHAPES, Problem
from edge.request_id import current_request_id
from edge.sql_errors import from_sql

PROBLEM_JSON: Final = "application/problem+json"

USER_ERRORS: Final = ("not_authenticated", "rate_limited", "internal", "provider_unavailable")
"""What every route of a signed-in user can answer with."""

_CODE_BY_HTTP_STATUS = {
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    429: "rate_limited",
    503: "provider_unavailable",
}

_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

_log = structlog.get_logger("edge.problems")


def problem_responses(*codes: str) -> dict[int, ResponseSpec]:
    """Documents for OpenAPI that a route can answer with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    return {
        status: ResponseSpec(
            SHAPES.get(names[0], Problem) if len(names) == 1 else Problem,
            description=" or ".join(names),
            media_type=PROBLEM_JSON,
            generate_examples=False,
        )
        for status, names in by_status.items()
    }


LIMITED: Final = problem_responses("rate_limited")
"""What every route that anyone may reach can answer with."""


def answer_with_problem(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Litestar's handler for every exception."""
    known = _to_edge_error(error)
    return Response(
        problem_of(error),
        status_code=known.status,
        media_type=PROBLEM_JSON,
        headers=_CHALLENGE | known.headers if known.status == 401 else known.headers,
    )


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem that an exception is to the client; a fault of ours is logged."""
    known = _to_edge_error(error)
    _log_failure(known, error)
    problem = Problem(
        type=f"urn:groundwork:error:{known.code}",
        title=known.code.replace("_", " ").capitalize(),
        status=known.status,
        code=known.code,
        detail=known.detail,
        hint=known.hint,
        request_id=current_request_id(),
    )
    return {**known.members, **msgspec.to_builtins(problem)}


def _log_failure(known: EdgeError, error: Exception) -> None:
    if known.status == 500:
        _log.error("failed", exc_info=error)
    elif known.status > 500:
        cause = error.__cause__ or error
        _log.warning("unavailable", code=known.code, reason=f"{type(cause).__name__}: {cause}")


def _to_edge_error(error: Exception) -> EdgeError:
    if isinstance(error, EdgeError):
        return error
    if isinstance(error, psycopg.Error):
        return from_sql(error)
    if isinstance(error, HTTPException):
        return _from_litestar(error)
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return invalid({"field": "body", "rule": "less deeply nested"})
    if isinstance(error, UnicodeDecodeError):
        return invalid({"field": "body", "rule": "in UTF-8"})
    return EdgeError("internal")


def _from_litestar(error: HTTPException) -> EdgeError:
    if isinstance(error, ValidationException):
        listed = error.extra if isinstance(error.extra, list) else []
        return invalid(*broken_rules(error.detail, listed))
    if code := _CODE_BY_HTTP_STATUS.get(error.status_code):
        return EdgeError(code, headers=error.headers or {})
    if isinstance(error.__cause__, SerializationException):
        return invalid({"field": "body", "rule": "JSON"})
    if error.status_code < 500:
        return EdgeError("validation_failed", error.detail)
    return EdgeError("internal")
