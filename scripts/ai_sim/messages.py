"""Anthropic's manner: `POST /v1/messages`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsBase, MessageCreateParamsNonStreaming

from scripts.ai_sim.answers import count_input
from scripts.ai_sim.dialect import Asked, Body, Event, Refusal, Reply, Trouble
from scripts.ai_sim.parameters import Malformed, check, fields, words

INVALID = "invalid_request_error"
CONTEXT = 200_000
"""Tokens that a question may have."""
MOST_TOKENS = 64_000
GONE = frozenset({"temperature", "top_p", "top_k"})
"""What the models of this SDK no longer take."""
STOPS = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}
TROUBLES: Mapping[Trouble, tuple[int, str, str]] = {
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "error": (500, "api_error", "Internal server error"),
    "unavailable": (503, "api_error", "Service unavailable"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "timeout": (504, "timeout_error", "Request timed out"),
}
MODELS = words(fields(MessageCreateParamsBase)["model"][0])


class Messages:
    """Answers as `anthropic.Anthropic` expects it."""

    name = "anthropic"

    def __init__(self, key: str) -> None:
        self._key = key

    def authenticate(self, headers: Mapping[str, str]) -> None:
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refusal(401, "authentication_error", "x-api-key header is required")
        if not secrets.compare_digest(given.encode(), self._key.encode()):
            raise self.trouble("unauthorized")
        if "anthropic-version" not in headers:
            raise Refusal(400, INVALID, "anthropic-version: header is required")

    def read(self, body: Mapping[str, Any]) -> Asked:
        if gone := GONE & body.keys():
            raise Refusal(400, INVALID, f"`{min(gone)}` is deprecated for this model.")
        streamed = body.get("stream", False)
        try:
            check({**body, "stream": False} if streamed is True else body, MessageCreateParamsNonStreaming)
        except Malformed as error:
            raise Refusal(400, INVALID, _worded(error)) from None
        self.model(body["model"])
        messages: list[Body] = body["messages"]
        if not messages:
            raise Refusal(400, INVALID, "messages: at least one message is required")
        if not 0 <= body["max_tokens"] <= MOST_TOKENS:
            message = (
                f"max_tokens: {body['max_tokens']} is not from 0 to {MOST_TOKENS}, the most of this model"
            )
            raise Refusal(400, INVALID, message)
        texts = [_text(message["content"]) for message in messages]
        if any(not text.strip() for text in texts):
            raise Refusal(400, INVALID, "messages: text content blocks must be non-empty")
        asked = Asked(
            model=body["model"],
            prompt="\n".join([_text(body.get("system", "")), *texts]),
            question=texts[-1],
            messages=len(messages),
            max_tokens=body["max_tokens"],
            streamed=streamed is True,
            schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        )
        if (size := count_input(asked)) > CONTEXT:
            raise Refusal(400, INVALID, f"prompt is too long: {size} tokens > {CONTEXT} maximum")
        return asked

    def answer(self, id_: str, asked: Asked, reply: Reply) -> Body:
        content = [{"type": "text", "text": reply.text, "citations": None}] if reply.pieces else []
        usage = self._usage(reply, reply.output_tokens)
        return _message(id_, asked, content, usage) | _stop(reply)

    def events(self, id_: str, asked: Asked, reply: Reply) -> Iterator[Event]:
        start = _message(id_, asked, [], self._usage(reply, 1 if reply.pieces else 0))
        yield _event("message_start", message=start)
        if reply.pieces:
            empty = {"type": "text", "text": "", "citations": None}
            yield _event("content_block_start", index=0, content_block=empty)
            yield _event("ping")
            for piece in reply.pieces:
                yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            yield _event("content_block_stop", index=0)
        usage = self._usage(reply, reply.output_tokens)
        counted = {"usage": {name: usage["usage"][name] for name in _DELTA}} if usage else {}
        yield _event("message_delta", delta=_stop(reply), **counted)
        yield _event("message_stop")

    def is_piece(self, event: Event) -> bool:
        return event[0] == "content_block_delta"

    def broken(self, refusal: Refusal, id_: str) -> Event:
        return "error", self.refusal(refusal, id_)

    def refusal(self, refusal: Refusal, id_: str) -> Body:
        error = {"type": refusal.kind, "message": refusal.message}
        return {"type": "error", "error": error, "request_id": f"req_{id_}"}

    def trouble(self, what: Trouble) -> Refusal:
        return Refusal(*TROUBLES[what])

    def headers(self, id_: str) -> dict[str, str]:
        return {"request-id": f"req_{id_}"}

    def models(self) -> Body:
        data = [self.model(name) for name in MODELS]
        return {"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}

    def model(self, id_: str) -> Body:
        if id_ not in MODELS:
            raise Refusal(404, "not_found_error", f"model: {id_}")
        return {
            "type": "model",
            "id": id_,
            "display_name": id_.replace("-", " ").title(),
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
            "max_input_tokens": CONTEXT,
            "max_tokens": MOST_TOKENS,
        }

    def _usage(self, reply: Reply, output_tokens: int) -> Body:
        if not reply.counted:
            return {}
        usage: Body = {
            "input_tokens": reply.input_tokens,
            "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }
        return {"usage": {**usage, **reply.usage}}


_DELTA = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def _message(id_: str, asked: Asked, content: list[Body], usage: Body) -> Body:
    return {
        "id": f"msg_{id_}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        **usage,
    }


def _stop(reply: Reply) -> Body:
    details = {"stop_details": {"type": "refusal", "category": None, "explanation": None}}
    stop = {"stop_reason": STOPS[reply.stop], "stop_sequence": None}
    return stop | (details if reply.stop == "refusal" else {})


def _event(kind: str, **data: Any) -> Event:
    return kind, {"type": kind, **data}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    for block in content:
        if block["type"] != "text":
            raise Refusal(400, INVALID, f"messages: {block['type']} is more than this stand-in can read")
    return "\n".join(block["text"] for block in content)


def _worded(error: Malformed) -> str:
    where = ".".join(error.path)
    if error.kind == "missing":
        return f"{where}: Field required"
    if error.kind == "unknown":
        return f"{where}: Extra inputs are not permitted"
    return f"{where}: Input should be {error.wanted}"
