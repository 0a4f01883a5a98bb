"""From a request to its answer: key, parameters, faults, the model's reply, and what was counted."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from scripts.ai_sim.answers import count, digest_of, reply_to
from scripts.ai_sim.calls import Call, Calls
from scripts.ai_sim.completions import Completions
from scripts.ai_sim.dialect import Asked, Body, Dialect, Event, Refusal, Reply, Trouble
from scripts.ai_sim.faults import Fault, Faults
from scripts.ai_sim.messages import Messages
from scripts.ai_sim.settings import Settings

MOST_BYTES = 32 * 1024**2
TROUBLES: frozenset[str] = frozenset(get_args(Trouble))
PAGE = b"<html><body><h1>It works!</h1></body></html>"


@dataclass
class Answer:
    """What is sent, and how it is kept from arriving."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    """Sent one after the other."""
    pieces: Mapping[int, str] = field(default_factory=dict)
    """By chunk of a stream: the piece of the answer in it."""
    pause: float = 0
    """Seconds before the first chunk and before each piece."""
    hangs_at: int | None = None
    """The chunk before which nothing is sent until the faults are cleared."""
    breaks_at: int | None = None
    """The chunk instead of which the connection ends."""
    is_whole: bool = True
    """Whether all of it is an answer."""


class Simulator:
    """Both providers."""

    def __init__(self, settings: Settings) -> None:
        self.dialects: Mapping[str, Dialect] = {
            "anthropic": Messages(settings.anthropic_key),
            "openai": Completions(settings.openai_key),
        }
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        """Forget everything; what hangs is answered."""
        self.faults.clear()
        self.faults = Faults()
        self.calls = Calls()
        self._ids = itertools.count(1)

    def next_id(self) -> str:
        return f"{next(self._ids):024d}"

    def answer(
        self, dialect: Dialect, id_: str, headers: Mapping[str, str], content: bytes
    ) -> tuple[Call | None, Answer]:
        """The call, if it was one, and its answer."""
        call: Call | None = None
        try:
            dialect.authenticate(headers)
            if len(content) > MOST_BYTES:
                raise dialect.trouble("too_large")
            asked = dialect.read(_parsed(content))
            fault = self.faults.strike(dialect.name, asked.prompt, digest_of(asked))
            retry = headers.get("x-stainless-retry-count", "0")
            call = self.calls.begin(dialect.name, asked, int(retry) if retry.isdecimal() else 0)
            call.fault = fault.how if fault else None
            answer = self._answer(dialect, id_, asked, fault, call)
        except Refusal as refusal:
            answer = refused(dialect, id_, refusal)
        if call:
            call.status = answer.status
        return call, answer

    def _answer(self, dialect: Dialect, id_: str, asked: Asked, fault: Fault | None, call: Call) -> Answer:
        how = fault.how if fault else None
        if fault and (how in TROUBLES or (how == "fail_midway" and not asked.streamed)):
            trouble = dialect.trouble(cast("Trouble", "error" if how == "fail_midway" else how))
            trouble.retry_after = fault.retry_after
            raise trouble
        if how == "garbage":
            return Answer(200, {"content-type": "text/html"}, [PAGE])
        reply = _struck(reply_to(asked), fault)
        call.input_tokens = reply.input_tokens
        call.output_tokens = reply.output_tokens
        shown = dialect.headers(id_)
        if asked.streamed:
            events = list(dialect.events(id_, asked, reply))
            answer = Answer(200, shown | {"content-type": "text/event-stream"}, [_encoded(e) for e in events])
            places = [place for place, event in enumerate(events) if dialect.is_piece(event)]
            answer.pieces = dict(zip(places, reply.pieces, strict=True))
        else:
            whole = json.dumps(dialect.answer(id_, asked, reply)).encode()
            halves = [whole[: len(whole) // 2], whole[len(whole) // 2 :]]
            answer = Answer(200, shown | {"content-type": "application/json"}, halves)
        if fault:
            _spoil(answer, fault, _encoded(dialect.broken(dialect.trouble("overloaded"), id_)))
        return answer


def refused(dialect: Dialect, id_: str, refusal: Refusal) -> Answer:
    """An error as the provider words it."""
    headers = dialect.headers(id_) | {"content-type": "application/json"}
    if refusal.retry_after is not None:
        headers["retry-after"] = f"{refusal.retry_after:g}"
    return Answer(refusal.status, headers, [json.dumps(dialect.refusal(refusal, id_)).encode()])


def reported(chunks: Iterable[bytes]) -> Body | None:
    """The last count of tokens among what was sent."""
    found: Body | None = None
    for line in b"".join(chunks).splitlines():
        try:
            data = json.loads(line.removeprefix(b"data: "))
        except ValueError:
            continue
        if isinstance(data, dict):
            started = data.get("message")
            usage = data.get("usage") or (started.get("usage") if isinstance(started, dict) else None)
            found = (found or {}) | usage if isinstance(usage, dict) else found
    return found


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request_error", "The body of the request is no JSON object.")
    return body


def _struck(reply: Reply, fault: Fault | None) -> Reply:
    """The reply of a model that does not do as it should."""
    match fault.how if fault else None:
        case "uncounted":
            return dataclasses.replace(reply, counted=False)
        case "count" if fault:
            return dataclasses.replace(reply, usage=fault.usage)
        case "refuse":
            return dataclasses.replace(reply, pieces=(), output_tokens=1, stop="refusal")
        case "empty":
            return dataclasses.replace(reply, pieces=(), output_tokens=1)
        case "say" if fault:
            return dataclasses.replace(reply, pieces=(fault.text,), output_tokens=count(fault.text))
    return reply


def _spoil(answer: Answer, fault: Fault, error: bytes) -> None:
    """How the way back goes wrong."""
    pieces = sorted(answer.pieces)
    place = ([*pieces, len(answer.chunks) - 1][min(fault.after, len(pieces))]) if pieces else 1
    match fault.how:
        case "slow":
            answer.pause = fault.seconds
        case "hang":
            answer.hangs_at = place if pieces else 0
        case "break":
            answer.breaks_at = place
        case "lost":
            answer.breaks_at = 0
        case "fail_midway":
            answer.chunks[place:] = [error]
            answer.is_whole = False


def _encoded(event: Event) -> bytes:
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
