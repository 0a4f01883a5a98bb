"""OpenAI, through its own SDK."""

from __future__ import annotations

from typing import Any

import openai

from edge.ai.call import Call, Failure, Reply, Say, Tokens, count_in
from edge.ai.choices import schema_of
from edge.ai.sdk_errors import failure_of
from edge.settings import Secret


class OpenAIApi:
    """Calls of `chat.completions`; attempts are repeated elsewhere, where the deadline is known."""

    def __init__(self, key: Secret, base_url: str) -> None:
        self._client = openai.AsyncOpenAI(api_key=key.reveal(), base_url=base_url, max_retries=0)

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, call: Call, timeout: float) -> Reply:
        """One attempt; `timeout` in seconds."""
        try:
            completion = await self._client.chat.completions.create(
                **_params(call), stream=False, timeout=timeout
            )
            (choice,) = completion.choices
            said = choice.message
            reply = _reply(said.content or "", completion.usage, choice.finish_reason, said.refusal)
        except Exception as error:
            raise failure_of(error, openai, has_spoken=False) from error
        if not choice.finish_reason:
            raise Failure("broken", retry=True, lost=True)
        return reply

    async def stream(self, call: Call, timeout: float, say: Say) -> Reply:
        """One attempt, told piece by piece; `timeout` in seconds, of each piece."""
        pieces: list[str] = []
        refusals: list[str] = []
        usage = stop = None
        try:
            async with await self._client.chat.completions.create(
                **_params(call), stream=True, stream_options={"include_usage": True}, timeout=timeout
            ) as chunks:
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    for choice in chunk.choices or []:
                        stop = choice.finish_reason or stop
                        refusals.append(choice.delta.refusal or "")
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            say(choice.delta.content)
        except Exception as error:
            raise failure_of(error, openai, has_spoken=bool(pieces)) from error
        if not stop:
            raise Failure("broken", retry=not pieces, lost=True)
        return _reply("".join(pieces), usage, stop, "".join(refusals))


def _params(call: Call) -> dict[str, Any]:
    return {
        **call.options,
        **_format(call),
        "model": call.model,
        "max_completion_tokens": call.max_tokens,
        "messages": [
            {"role": "system", "content": call.instructions},
            {"role": "user", "content": call.prompt},
        ],
    }


def _format(call: Call) -> dict[str, Any]:
    if call.choices is None:
        return {}
    schema = {"name": "answer", "strict": True, "schema": schema_of(call.choices)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _reply(output: str, usage: object, stop: str, refusal: str | None) -> Reply:
    return Reply(
        output=output,
        tokens=_tokens(usage),
        is_cut=stop == "length",
        is_declined=stop == "content_filter" or bool(refusal),
    )


def _tokens(usage: object) -> Tokens:
    details = getattr(usage, "prompt_tokens_details", None)
    return {
        "input_tokens": count_in(usage, "prompt_tokens"),
        "cached_input_tokens": count_in(details, "cached_tokens") or 0,
        "cache_write_tokens": count_in(details, "cache_write_tokens") or 0,
        "output_tokens": count_in(usage, "completion_tokens"),
    }
