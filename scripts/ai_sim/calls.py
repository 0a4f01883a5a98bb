"""The provider's own count of what it was asked and what it worked: a client's books are held to it."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import msgspec

from scripts.ai_sim.dialect import Asked


class Call(msgspec.Struct, kw_only=True):
    """One request that was understood."""

    number: int
    provider: str
    model: str
    prompt: str
    streamed: bool
    retry: int
    """Which repetition it is, as the SDK says."""
    fault: str | None = None
    status: int | None = None
    """None while no answer has begun."""
    input_tokens: int = 0
    """Worked, whether or not the client learnt of it."""
    output_tokens: int = 0
    reported: dict[str, Any] | None = None
    """The count that the client was sent, by the provider's names."""
    whole: bool = False
    """Whether the answer was sent to its end."""


KEPT = 10_000


class Calls:
    """The last of them, oldest first: as many as a long day of development makes."""

    def __init__(self) -> None:
        self.all: deque[Call] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)
        self.under_way = 0
        self.most_at_once = 0

    def begin(self, provider: str, asked: Asked, retry: int) -> Call:
        call = Call(
            number=next(self._numbers),
            provider=provider,
            model=asked.model,
            prompt=asked.prompt,
            streamed=asked.streamed,
            retry=retry,
        )
        self.all.append(call)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        return call

    def end(self) -> None:
        self.under_way -= 1

    def totals(self) -> dict[str, int]:
        """Of all calls that are kept."""
        return {
            "calls": len(self.all),
            "answered": sum(call.whole for call in self.all),
            "input_tokens": sum(call.input_tokens for call in self.all),
            "output_tokens": sum(call.output_tokens for call in self.all),
        }
