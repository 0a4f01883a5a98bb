"""What Postgres raises, as the error that the client is told about."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import psycopg

from edge.errors import CATALOGUE, EdgeError

_TYPED = re.compile(r"PT([45]\d\d)")
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")

_CODE_BY_SQLSTATE = {
    "42501": "forbidden",  # insufficient_privilege
    "23502": "validation_failed",  # not_null_violation
    "23503": "conflict",  # foreign_key_violation
    "23505": "conflict",  # unique_violation
    "23514": "validation_failed",  # check_violation
    "23P01": "conflict",  # exclusion_violation
    "25006": "provider_unavailable",  # read_only_sql_transaction: a standby
    "55P03": "provider_unavailable",  # lock_not_available
    "57014": "provider_unavailable",  # query_canceled: the statement timeout
    "57P01": "provider_unavailable",  # admin_shutdown
    "57P02": "provider_unavailable",  # crash_shutdown
    "57P03": "provider_unavailable",  # cannot_connect_now
}
_CODE_BY_CLASS = {
    "08": "provider_unavailable",  # connection exceptions
    "22": "validation_failed",  # data exceptions
    "40": "provider_unavailable",  # serialization failure, deadlock: worth another try
    "53": "provider_unavailable",  # insufficient resources
}


def from_sql(error: psycopg.Error) -> EdgeError:
    """Translate; a failure that nobody foresaw becomes `internal`. Only typed errors keep their words."""
    sqlstate = error.sqlstate
    if sqlstate is None:
        return EdgeError(_code_of_psycopg(error))
    if sqlstate == "PGRST":
        return _from_message_with_headers(error.diag)
    if typed := _TYPED.fullmatch(sqlstate):
        diag = error.diag
        return _typed(int(typed[1]), diag.message_primary, diag.message_detail, diag.message_hint)
    return EdgeError(_CODE_BY_SQLSTATE.get(sqlstate) or _CODE_BY_CLASS.get(sqlstate[:2]) or "internal")


def _from_message_with_headers(diag: psycopg.errors.Diagnostic) -> EdgeError:
    """The form of raise with which SQL sets headers: the message and the detail are JSON."""
    message, response = _object(diag.message_primary), _object(diag.message_detail)
    status = response.get("status")
    if not isinstance(status, int) or not 400 <= status <= 599:
        return EdgeError("internal")
    headers = response.get("headers")
    retry_after = headers.get("Retry-After") if isinstance(headers, dict) else None
    return _typed(
        status,
        message.get("message"),
        message.get("details"),
        message.get("hint"),
        {} if retry_after is None else {"Retry-After": str(retry_after)},
    )


def _typed(
    status: int, code: object, details: object, hint: object, headers: dict[str, str] | None = None
) -> EdgeError:
    return EdgeError(
        code if isinstance(code, str) and _CODE.fullmatch(code) else _code_of(status),
        hint=hint if isinstance(hint, str) and hint else None,
        status=status,
        members=_object(details),
        headers=headers or {},
    )


def _code_of_psycopg(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.OperationalError):
        return "provider_unavailable"  # no connection, a lost one, or none free in time
    if isinstance(error, psycopg.DataError):
        return "validation_failed"  # a text with a NUL, which Postgres cannot hold
    return "internal"


def _code_of(status: int) -> str:
    return next((code for code, meaning in CATALOGUE.items() if meaning.status == status), "internal")


def _object(text: object) -> dict[str, Any]:
    """The JSON object in `text`; anything else is no details."""
    try:
        value = msgspec.json.decode(text) if isinstance(text, str) else text
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
