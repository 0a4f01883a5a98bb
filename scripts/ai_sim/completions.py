"""OpenAI's manner: `POST /v1/chat/completions`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsBase,
    CompletionCreateParamsNonStreaming,
)

from scripts.ai_sim.answers import count_input
from scripts.ai_sim.dialect import Asked, Body, Event, Refusal, Reply, Trouble
from scripts.ai_sim.parameters import Malformed, check, fields, words

INVALID = "invalid_request_error"
CONTEXT = 128_000
"""Tokens that a question may have."""
CREATED = 1_790_000_000
STOPS = {"end": "stop", "length": "length", "refusal": "content_filter"}
TROUBLES: Mapping[Trouble, tuple[int, str, str, str | None]] = {
    "unauthorized": (401, INVALID, "Incorrect API key provided.", "invalid_api_key"),
    "too_large": (413, INVALID, "The request is too large.", None),
    "rate_limit": (429, "requests", "Rate limit reached for requests per minute.", "rate_limit_exceeded"),
    "error": (500, "server_error", "The server had an error while processing your request.", None),
    "unavailable": (503, "server_error", "The server is temporarily unavailable.", None),
    "overloaded": (503, "server_error", "The engine is currently overloaded, please try again later.", None),
    "timeout": (504, "server_error", "The request timed out.", None),
}
MODELS = words(fields(CompletionCreateParamsBase)["model"][0])
REASONING = ("gpt-5", "gpt-6", "o1", "o3", "o4")
"""How the models begin that think before they answer."""


class Completions:
    """Answers as `openai.OpenAI` expects it."""

    name = "openai"

    def __init__(self, key: str) -> None:
        self._key = key

    def authenticate(self, headers: Mapping[str, str]) -> None:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refusal(401, INVALID, "You didn't provide an API key.")
        if not secrets.compare_digest(given.encode(), self._key.encode()):
            raise self.trouble("unauthorized")

    def read(self, body: Mapping[str, Any]) -> Asked:
        streamed = body.get("stream") is True
        try:
            check({**body, "stream": False} if streamed else body, CompletionCreateParamsNonStreaming)
        except Malformed as error:
            raise _worded(error) from None
        self.model(body["model"])
        _refuse_unsupported(body)
        messages: list[Body] = body["messages"]
        if not messages:
            raise Refusal(
                400, INVALID, "Invalid 'messages': empty array.", param="messages", code="empty_array"
            )
        if (body.get("n") or 1) != 1:
            raise Refusal(400, INVALID, "This stand-in gives one choice.", param="n")
        limits = {name: body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name)}
        for name, value in limits.items():
            if value < 1:
                code = "integer_below_min_value"
                message = f"Invalid '{name}': integer below minimum value. Expected a value >= 1."
                raise Refusal(400, INVALID, message, param=name, code=code)
        if body.get("stream_options") and not streamed:
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise Refusal(400, INVALID, message, param="stream_options")
        texts = [_text(message.get("content")) for message in messages]
        wanted = body.get("response_format") or {}
        asked = Asked(
            model=body["model"],
            prompt="\n".join(texts),
            question=texts[-1],
            messages=len(messages),
            max_tokens=min(limits.values(), default=None),
            streamed=streamed,
            schema=wanted["json_schema"].get("schema") if wanted.get("type") == "json_schema" else None,
            counts_stream=bool((body.get("stream_options") or {}).get("include_usage")),
        )
        if (size := count_input(asked)) > CONTEXT:
            message = f"This model's maximum context length is {CONTEXT} tokens; your messages have {size}."
            raise Refusal(400, INVALID, message, param="messages", code="context_length_exceeded")
        return asked

    def answer(self, id_: str, asked: Asked, reply: Reply) -> Body:
        message: Body = {
            "role": "assistant",
            "content": reply.text if reply.pieces else None,
            "refusal": None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": STOPS[reply.stop]}
        return _head(id_, asked, "chat.completion", [choice]) | _usage(reply)

    def events(self, id_: str, asked: Asked, reply: Reply) -> Iterator[Event]:
        pending: Body = {"usage": None} if asked.counts_stream else {}

        def chunk(delta: Body, finish: str | None = None) -> Event:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return None, _head(id_, asked, "chat.completion.chunk", [choice]) | pending

        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for piece in reply.pieces:
            yield chunk({"content": piece})
        yield chunk({}, STOPS[reply.stop])
        if asked.counts_stream and reply.counted:
            yield None, _head(id_, asked, "chat.completion.chunk", []) | _usage(reply)
        yield None, "[DONE]"

    def is_piece(self, event: Event) -> bool:
        data = event[1]
        return isinstance(data, dict) and any(
            choice["delta"].get("content") for choice in data.get("choices", [])
        )

    def broken(self, refusal: Refusal, id_: str) -> Event:
        return None, self.refusal(refusal, id_)

    def refusal(self, refusal: Refusal, id_: str) -> Body:
        return {
            "error": {
                "message": refusal.message,
                "type": refusal.kind,
                "param": refusal.param,
                "code": refusal.code,
            }
        }

    def trouble(self, what: Trouble) -> Refusal:
        status, kind, message, code = TROUBLES[what]
        return Refusal(status, kind, message, code=code)

    def headers(self, id_: str) -> dict[str, str]:
        return {"x-request-id": f"req_{id_}", "openai-version": "2020-10-01"}

    def models(self) -> Body:
        return {"object": "list", "data": [self.model(name) for name in MODELS]}

    def model(self, id_: str) -> Body:
        if id_ not in MODELS:
            message = f"The model `{id_}` does not exist or you do not have access to it."
            raise Refusal(404, INVALID, message, code="model_not_found")
        return {"id": id_, "object": "model", "created": CREATED, "owned_by": "system"}


def _head(id_: str, asked: Asked, kind: str, choices: list[Body]) -> Body:
    return {
        "id": f"chatcmpl-{id_}",
        "object": kind,
        "created": CREATED,
        "model": asked.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_groundwork",
    }


def _usage(reply: Reply) -> Body:
    if not reply.counted:
        return {}
    usage: Body = {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    return {"usage": {**usage, **reply.usage}}


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    """What models that think do not take."""
    if not body["model"].startswith(REASONING) or body["model"].endswith("-chat-latest"):
        return
    if body.get("max_tokens") is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        raise Refusal(400, INVALID, message, param="max_tokens", code="unsupported_parameter")
    thinks = body.get("reasoning_effort") != "none"
    if thinks and body.get("temperature") not in (None, 1):
        message = "Unsupported value: 'temperature' only takes the default (1) with this model."
        raise Refusal(400, INVALID, message, param="temperature", code="unsupported_value")


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part["type"] != "text":
            raise Refusal(
                400, INVALID, f"{part['type']} is more than this stand-in can read", param="messages"
            )
    return "\n".join(part["text"] for part in content)


def _worded(error: Malformed) -> Refusal:
    where = ".".join(error.path)
    if error.kind == "missing":
        message = f"Missing required parameter: '{where}'."
        return Refusal(400, INVALID, message, param=where, code="missing_required_parameter")
    if error.kind == "unknown":
        message = f"Unrecognized request argument supplied: {where}"
        return Refusal(400, INVALID, message, param=where, code="unknown_parameter")
    message = f"Invalid value for '{where}': expected {error.wanted}."
    return Refusal(400, INVALID, message, param=where, code="invalid_type")
