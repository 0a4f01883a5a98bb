"""Buckets of tokens in this process: for callers who must not cost a transaction."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

CAPACITY: Final = 20_000
"""Callers that one limit remembers: about 3 MB."""

_SECOND: Final = 1_000_000_000


class Rate(NamedTuple):
    """So many at once, and then so many per second."""

    per_second: float
    burst: int


class Buckets:
    """One bucket for each key, each kept as the time at which it will be full again.

    Times are whole nanoseconds, so that what is granted is exact. Beyond `capacity` the key that took
    least recently is forgotten, which gives it a full bucket.
    """

    def __init__(
        self, rate: Rate, capacity: int = CAPACITY, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._step = round(_SECOND / rate.per_second)
        self._room = self._step * rate.burst
        self._capacity = capacity
        self._clock = clock
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str) -> float:
        """Take a token and return 0.0, or return the seconds until there is one."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + self._step
        if full_at > now + self._room:
            return (full_at - now - self._room) / _SECOND
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)
        return 0.0
