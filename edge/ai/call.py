"""What goes to a provider and what comes back, the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from edge.errors import EdgeError

Say = Callable[[str], None]
"""Told each piece of an answer as it comes."""

Tokens = dict[str, int | None]
"""`input_tokens`, `cached_input_tokens` and `cache_write_tokens` (parts of the first), `output_tokens`;
None where the provider said nothing that is a number. SQL decides what to believe."""


class Call(msgspec.Struct, frozen=True):
    """What `edge.start_completion` wants asked."""

    request_id: str
    provider: Literal["anthropic", "openai"]
    model: str
    instructions: str
    prompt: str
    parameters: dict[str, Any]
    choices: dict[str, str] | None = None
    """What the answer may be, as the prompt shows it, and as it was written; anything if this is None."""

    @property
    def max_tokens(self) -> int:
        return int(self.parameters["max_tokens"])

    @property
    def options(self) -> dict[str, Any]:
        """The parameters that go to the SDK as they are."""
        return {name: value for name, value in self.parameters.items() if name != "max_tokens"}


class Reply(msgspec.Struct, frozen=True):
    """What the model said."""

    output: str
    tokens: Tokens
    is_cut: bool = False
    """It had more to say than it was allowed."""
    is_declined: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What is handed on, and what it took."""

    output: str
    is_cut: bool
    paid: list[Tokens]
    """Of each attempt that the provider answered; the last is this answer."""
    lost: int
    """Attempts whose cost nobody knows."""


class Failure(Exception):
    """An attempt without an answer that can be handed on."""

    def __init__(
        self,
        reason: str,
        *,
        retry: bool = False,
        retry_after: float | None = None,
        lost: bool = False,
        tokens: Tokens | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        """One word for the log."""
        self.retry = retry
        """Another attempt may do."""
        self.retry_after = retry_after
        """Seconds that the provider wants to be left alone."""
        self.lost = lost
        """It may have been worked on, and charged, without our hearing what it took."""
        self.tokens = tokens
        """What the provider charges for, if it did answer."""


class Unanswered(EdgeError):
    """No attempt got an answer; some were paid all the same, or lost, which nobody knows the cost of."""

    def __init__(
        self,
        reason: str,
        *,
        lost: int = 0,
        paid: Sequence[Tokens] = (),
        retry_after: int | None = None,
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__("provider_unavailable", headers=headers)
        self.reason = reason
        self.lost = lost
        self.paid = list(paid)


def declined() -> EdgeError:
    """What a client is told whose input the model will not answer."""
    return EdgeError(
        "validation_failed",
        hint="The model declines to answer this.",
        members={"field": "input", "rule": "something that the model answers"},
    )


class Api(Protocol):
    """A provider's SDK. Both raise `Failure`."""

    async def ask(self, call: Call, timeout: float) -> Reply: ...

    async def stream(self, call: Call, timeout: float, say: Say) -> Reply: ...

    async def close(self) -> None: ...


def count_in(usage: object, name: str) -> int | None:
    """A token count as the SDK has it; None if it is missing or no number."""
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
