"""Anthropic, through its own SDK."""

from __future__ import annotations

from typing import Any

import anthropic

from edge.ai.call import Call, Failure, Reply, Say, Tokens, count_in
from edge.ai.choices import schema_of
from edge.ai.sdk_errors import failure_of
from edge.settings import Secret


class AnthropicApi:
    """Calls of `messages`; attempts are repeated elsewhere, where the deadline is known."""

    def __init__(self, key: Secret, base_url: str) -> None:
        self._client = anthropic.AsyncAnthropic(
            api_key=key.reveal(), base_url=base_url, max_retries=0, open_telemetry=False
        )

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, call: Call, timeout: float) -> Reply:
        """One attempt; `timeout` in seconds."""
        try:
            message = await self._client.messages.create(**_params(call), stream=False, timeout=timeout)
            output = "".join(block.text for block in message.content if block.type == "text")
            reply = _reply(output, message.usage, None, message.stop_reason)
        except Exception as error:
            raise failure_of(error, anthropic, has_spoken=False) from error
        if not message.stop_reason:
            raise Failure("broken", retry=True, lost=True)
        return reply

    async def stream(self, call: Call, timeout: float, say: Say) -> Reply:
        """One attempt, told piece by piece; `timeout` in seconds, of each piece."""
        pieces: list[str] = []
        begun = ended = stop = None
        is_whole = False
        try:
            async with await self._client.messages.create(
                **_params(call), stream=True, timeout=timeout
            ) as events:
                async for event in events:
                    if event.type == "message_start":
                        begun = event.message.usage
                    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                        pieces.append(event.delta.text)
                        say(event.delta.text)
                    elif event.type == "message_delta":
                        ended, stop = event.usage, event.delta.stop_reason
                    elif event.type == "message_stop":
                        is_whole = True
        except Exception as error:
            raise failure_of(error, anthropic, has_spoken=bool(pieces)) from error
        if not is_whole:
            raise Failure("broken", retry=not pieces, lost=True)
        return _reply("".join(pieces), begun, ended, stop)


def _params(call: Call) -> dict[str, Any]:
    return {
        **call.options,
        **_format(call),
        "model": call.model,
        "max_tokens": call.max_tokens,
        "system": call.instructions,
        "messages": [{"role": "user", "content": call.prompt}],
    }


def _format(call: Call) -> dict[str, Any]:
    if call.choices is None:
        return {}
    return {"output_config": {"format": {"type": "json_schema", "schema": schema_of(call.choices)}}}


def _reply(output: str, usage: object, ended: object, stop: str | None) -> Reply:
    return Reply(
        output=output,
        tokens=_tokens(usage, ended),
        is_cut=stop in {"max_tokens", "model_context_window_exceeded"},
        is_declined=stop == "refusal",
    )


def _tokens(usage: object, ended: object) -> Tokens:
    """The counts: those at the end of a stream are its sums. Cached input is counted beside the rest."""
    read, written = count_in(usage, "cache_read_input_tokens"), count_in(usage, "cache_creation_input_tokens")
    fresh = count_in(usage, "input_tokens")
    return {
        "input_tokens": None if fresh is None else fresh + (read or 0) + (written or 0),
        "cached_input_tokens": read or 0,
        "cache_write_tokens": written or 0,
        "output_tokens": count_in(ended or usage, "output_tokens"),
    }
