"""What the SDKs raise, as one of our failures. Both are made alike, so one reading does."""

from __future__ import annotations

import email.utils
import time
from typing import Any, Final

from edge.ai.call import Failure

_REASONS: Final = {
    400: "bad_request",
    401: "not_authorized",
    403: "not_authorized",
    404: "no_such_model",
    408: "timeout",
    413: "too_large",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_LONGEST_WAIT: Final = 86_400.0


def failure_of(error: Exception, sdk: Any, *, has_spoken: bool) -> Failure:
    """Sort an exception of a call of `sdk`, a module; with `has_spoken` a part of the answer was told on."""
    if isinstance(error, sdk.APIStatusError):
        status = error.status_code
        if status < 400:  # an error in the middle of a stream
            return Failure("broken", retry=not has_spoken, lost=has_spoken)
        return Failure(
            _REASONS.get(status, "failed" if status >= 500 else "refused"),
            retry=_is_worth_another(status, error.response.headers.get("x-should-retry")),
            retry_after=_wait(error.response.headers),
        )
    if isinstance(error, sdk.APITimeoutError):
        is_sent = not _is_unsent(error)
        return Failure("timeout", retry=not has_spoken, lost=is_sent)
    if isinstance(error, sdk.APIConnectionError):
        return Failure("unreachable", retry=not has_spoken, lost=not _is_unsent(error))
    if isinstance(error, sdk.APIError) and not isinstance(error, sdk.APIResponseValidationError):
        return Failure("broken", retry=not has_spoken, lost=has_spoken)  # said in a stream
    is_late = isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout")
    return Failure("timeout" if is_late else "broken", retry=not has_spoken, lost=True)


def _is_worth_another(status: int, advice: str | None) -> bool:
    if advice in {"true", "false"}:
        return advice == "true"
    return status in {408, 409, 429} or status >= 500


def _is_unsent(error: Exception) -> bool:
    """No connection was made, so nothing can have been charged."""
    return type(error.__cause__).__name__ in {"ConnectError", "ConnectTimeout", "PoolTimeout"}


def _wait(headers: Any) -> float | None:
    """Seconds of `retry-after-ms` or `retry-after`, in its two forms."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _sane(float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        date = None if value.strip().replace(".", "").isdigit() else email.utils.parsedate_tz(value)
        return _sane(email.utils.mktime_tz(date) - time.time() if date else float(value))
    except (ValueError, OverflowError):
        return None


def _sane(seconds: float) -> float | None:
    return min(seconds, _LONGEST_WAIT) if seconds >= 0 else None
