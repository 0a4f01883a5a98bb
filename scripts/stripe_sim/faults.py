"""Requests that go wrong because a test wants them to."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from scripts.stripe_sim.errors import ApiError

How = Literal["rate_limit", "error", "unavailable", "lost", "hang"]
"""What the client sees:

- `rate_limit`: 429, nothing done
- `unavailable`: 503, nothing done and nothing remembered
- `error`: 500, nothing done, remembered for the idempotency key
- `lost`: 502, although the work is done: a repetition with the same key gets the real answer
- `hang`: no answer until the faults are cleared, although the work is done
"""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Strikes the next requests that fit."""

    how: How
    times: int = 1
    method: str = ""
    path: str = ""
    """How the path begins."""


class Faults:
    """What strikes next, oldest order first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.released = asyncio.Event()

    def order(self, fault: Fault) -> None:
        self._waiting.append(fault)
        self.released.clear()

    def clear(self) -> None:
        """Forget all orders and let hanging requests be answered."""
        self._waiting.clear()
        self.released.set()

    def strike(self, method: str, path: str) -> How | None:
        """How this request goes wrong, if it does."""
        for fault in self._waiting:
            if fault.times > 0 and fault.method in ("", method) and path.startswith(fault.path):
                fault.times -= 1
                return fault.how
        return None


def rate_limited() -> ApiError:
    message = "Request rate limit exceeded. Learn more about rate limits in Stripe's documentation."
    return ApiError(429, "invalid_request_error", message, code="rate_limit")


def outage(status: int) -> ApiError:
    return ApiError(status, "api_error", "An unknown error occurred. Please try again later.")
