"""What both providers have in common: a question, a reply, and how each of them words both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Body = dict[str, Any]
Event = tuple[str | None, Body | str]
"""Of a stream: its name, if the provider gives names, and its data."""
Trouble = Literal["unauthorized", "too_large", "rate_limit", "error", "unavailable", "overloaded", "timeout"]


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is none: status, the provider's word for the kind, and what was wrong."""

    status: int
    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None
    """Seconds, for the header of that name."""


@dataclass(frozen=True)
class Asked:
    """One question, whoever it is asked in the manner of."""

    model: str
    prompt: str
    """Every text of it, instructions included: what is counted."""
    question: str
    """What the user said last: what the answer is about."""
    messages: int
    max_tokens: int | None
    streamed: bool
    schema: Mapping[str, Any] | None
    """Of the JSON that is wanted, if JSON is wanted."""
    counts_stream: bool = True
    """Whether a stream ends with its count of tokens."""


@dataclass(frozen=True)
class Reply:
    """What the model says, and what that takes."""

    pieces: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    stop: Literal["end", "length", "refusal"]
    counted: bool = True
    """Whether the client is told of the tokens."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """What the client is told instead, by the provider's names."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Dialect(Protocol):
    """One provider's manner."""

    name: str

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Raise `Refusal` unless the key is right."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Raise `Refusal` for what the provider would not accept."""

    def answer(self, id_: str, asked: Asked, reply: Reply) -> Body:
        """The whole answer at once."""

    def events(self, id_: str, asked: Asked, reply: Reply) -> Iterator[Event]:
        """The same as a stream."""

    def is_piece(self, event: Event) -> bool:
        """Whether this event carries a piece of the answer."""

    def broken(self, refusal: Refusal, id_: str) -> Event:
        """How a stream says that it failed."""

    def refusal(self, refusal: Refusal, id_: str) -> Body:
        """How an error is worded."""

    def trouble(self, what: Trouble) -> Refusal:
        """What goes wrong although the question is right."""

    def headers(self, id_: str) -> dict[str, str]:
        """That come with every answer."""

    def models(self) -> Body:
        """The list of models."""

    def model(self, id_: str) -> Body:
        """Raise `Refusal` if there is no such model."""
