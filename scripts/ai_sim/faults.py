"""Makes calls go wrong, because a test wants them to: by order, or by seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

How = Literal[
    "rate_limit",
    "overloaded",
    "error",
    "unavailable",
    "unauthorized",
    "timeout",
    "garbage",
    "slow",
    "hang",
    "break",
    "fail_midway",
    "lost",
    "uncounted",
    "count",
    "refuse",
    "empty",
    "say",
]
"""What the client sees:

- `rate_limit` 429, `error` 500, `unavailable` 503, `overloaded` 529 (OpenAI: 503), `timeout` 504,
  `unauthorized` 401: the provider's own error; nothing was worked
- `garbage`: 200 with a page instead of an answer; nothing was worked
- `slow`: the answer, after `seconds`; a stream waits so long before each piece too
- `hang`: no answer until the faults are cleared, then the right one; a stream stops after `after` pieces
- `break`: the connection ends after `after` pieces, or in the middle of the answer
- `fail_midway`: the stream ends with an error after `after` pieces; what is no stream gets `error`
- `lost`: the connection ends without an answer, although all was worked
- `uncounted`: the answer without any count of tokens
- `count`: the answer, with what `usage` says instead of the right counts
- `refuse`: the model will not; `empty`: the model says nothing; `say`: it says `text`, whatever was asked
"""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Strikes the next calls that fit."""

    how: How
    times: int = 1
    provider: Literal["", "anthropic", "openai"] = ""
    contains: str = ""
    """What the prompt contains."""
    seconds: float = 1
    after: int = 1
    retry_after: float | None = None
    """Seconds, in the header of an error that a provider knows."""
    usage: dict[str, Any] = {}
    text: str = ""

    def fits(self, provider: str, prompt: str) -> bool:
        return self.times > 0 and self.provider in ("", provider) and self.contains in prompt


class Adversary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely each fault is; the same seed does the same to the same attempt at the same question."""

    seed: int = 0
    likely: dict[How, float] = {}
    seconds: float = 0.05
    retry_after: float | None = None

    def fate(self, digest: str, attempt: int) -> Fault | None:
        """It depends on nothing else, so that it does not matter which call comes first."""
        dice = random.Random(f"{self.seed}:{digest}:{attempt}").random()  # noqa: S311  (no secret)
        for how, likely in self.likely.items():
            dice -= likely
            if dice < 0:
                return Fault(how=how, seconds=self.seconds, retry_after=self.retry_after)
        return None


class Faults:
    """What strikes next, oldest order first, then the adversary."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._attempts: dict[str, int] = {}
        self.adversary = Adversary()
        self.released = asyncio.Event()

    def order(self, fault: Fault) -> None:
        self._waiting.append(fault)
        self.released.clear()

    def clear(self) -> None:
        """Forget all orders and let hanging calls be answered."""
        self._waiting.clear()
        self.adversary = Adversary()
        self.released.set()

    def strike(self, provider: str, prompt: str, digest: str) -> Fault | None:
        """How this call goes wrong, if it does."""
        self._attempts[digest] = attempt = self._attempts.get(digest, 0) + 1
        for fault in self._waiting:
            if fault.fits(provider, prompt):
                fault.times -= 1
                return fault
        return self.adversary.fate(digest, attempt)

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many of each kind have not struck yet."""
        counts: dict[str, int] = {}
        for fault in self._waiting:
            counts[fault.how] = counts.get(fault.how, 0) + fault.times
        return counts
