"""The official SDKs read every answer, sync and async, whole and streamed, and know all that is in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx
import openai
import pydantic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.ai_sim.provider import CHAT_MODEL, MODEL, Providers

QUESTION = "Ada: the till does not open. Grace: the till opens again."
ASKED: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 200,
    "system": "You summarize.",
    "messages": [{"role": "user", "content": QUESTION}],
}
CHAT: dict[str, Any] = {
    "model": CHAT_MODEL,
    "max_completion_tokens": 200,
    "messages": [{"role": "system", "content": "You summarize."}, {"role": "user", "content": QUESTION}],
}


def test_anthropic_answers_alike_in_every_way(providers: Providers) -> None:
    client = providers.anthropic()
    whole = client.messages.create(**ASKED)
    with client.messages.stream(**ASKED) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert text_of(whole) == text_of(streamed) == "".join(pieces)
    assert "the till does not open" in text_of(whole)
    assert len(pieces) > 5
    assert tokens_of(whole) == tokens_of(streamed)
    assert whole.stop_reason == streamed.stop_reason == "end_turn"
    for call in providers.calls():
        reported = call["reported"]
        assert (call["input_tokens"], call["output_tokens"]) == tokens_of(whole)
        assert (reported["input_tokens"], reported["output_tokens"]) == tokens_of(whole)


def test_anthropic_answers_the_async_client(providers: Providers) -> None:
    async def ask() -> tuple[Message, Message]:
        async with providers.async_anthropic() as client:
            whole = await client.messages.create(**ASKED)
            async with client.messages.stream(**ASKED) as stream:
                return whole, await stream.get_final_message()

    whole, streamed = asyncio.run(ask())
    assert (text_of(whole), tokens_of(whole)) == (text_of(streamed), tokens_of(streamed))


def test_openai_answers_alike_in_every_way(providers: Providers) -> None:
    client = providers.openai()
    whole = client.chat.completions.create(**CHAT)
    chunks = list(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert whole.choices[0].message.content == "".join(pieces)
    assert "the till does not open" in "".join(pieces)
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:-1]] == ["stop"]
    uncounted = list(client.chat.completions.create(**CHAT, stream=True))
    assert all(chunk.usage is None for chunk in uncounted)
    assert [call["reported"] is None for call in providers.calls()] == [False, False, True]


def test_openai_answers_the_async_client(providers: Providers) -> None:
    async def ask() -> tuple[ChatCompletion, list[str]]:
        async with providers.async_openai() as client:
            whole = await client.chat.completions.create(**CHAT)
            stream = await client.chat.completions.create(**CHAT, stream=True)
            return whole, [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]

    whole, pieces = asyncio.run(ask())
    assert whole.choices[0].message.content == "".join(pieces)


def test_the_same_question_gets_the_same_answer_and_another_one_another(providers: Providers) -> None:
    client = providers.anthropic()
    first, second = client.messages.create(**ASKED), client.messages.create(**ASKED)
    assert text_of(first) == text_of(second)
    assert first.id != second.id
    other = client.messages.create(**ASKED | {"system": "You explain."})
    assert text_of(other) != text_of(first)


def test_an_answer_ends_where_its_tokens_do(providers: Providers) -> None:
    whole = providers.anthropic().messages.create(**ASKED | {"max_tokens": 5})
    assert whole.stop_reason == "max_tokens"
    assert 0 < whole.usage.output_tokens <= 5
    chat = providers.openai().chat.completions.create(**CHAT | {"max_completion_tokens": 5})
    assert chat.choices[0].finish_reason == "length"
    assert chat.usage is not None
    assert chat.usage.completion_tokens <= 5


def test_json_that_is_asked_for_fits_its_schema(providers: Providers) -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": ["kitchen", "till", "garden"]}},
        "required": ["label"],
        "additionalProperties": False,
    }
    chat = providers.openai().chat.completions.create(
        **CHAT,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
    )
    whole = providers.anthropic().messages.create(
        **ASKED, output_config={"format": {"type": "json_schema", "schema": schema}}
    )
    assert json.loads(chat.choices[0].message.content or "") == {"label": "till"}
    assert json.loads(text_of(whole)) == {"label": "till"}


def test_one_of_the_labels_that_a_prompt_offers_is_the_answer(providers: Providers) -> None:
    offered = "<labels>\n- kitchen\n- till\n- garden\n</labels>\nThe till does not open."
    messages = [{"role": "user", "content": offered}]
    chat = providers.openai().chat.completions.create(**CHAT | {"messages": messages})
    assert chat.choices[0].message.content == "till"


def test_both_list_their_models(providers: Providers) -> None:
    assert MODEL in [model.id for model in providers.anthropic().models.list()]
    assert providers.anthropic().models.retrieve(MODEL).id == MODEL
    assert CHAT_MODEL in [model.id for model in providers.openai().models.list()]
    assert providers.openai().models.retrieve(CHAT_MODEL).id == CHAT_MODEL
    with pytest.raises(openai.NotFoundError):
        providers.openai().models.retrieve(MODEL)


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_sent_has_the_shape_of_the_sdk(providers: Providers, stream: bool) -> None:
    """The SDKs forgive what is missing or unknown; this does not."""
    sent = raw(providers, "anthropic", ASKED | {"stream": stream})
    counting = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    chat = raw(providers, "openai", CHAT | counting)
    assert list(problems(sent, RawMessageStreamEvent if stream else Message)) == []
    assert list(problems(chat, ChatCompletionChunk if stream else ChatCompletion)) == []


def test_an_unknown_name_and_a_missing_one_are_found(providers: Providers) -> None:
    (message,) = raw(providers, "anthropic", ASKED)
    assert list(problems([message | {"colour": "red"}], Message)) == ["colour: unknown"]
    del message["usage"]["input_tokens"]
    assert list(problems([message], Message)) != []


def raw(providers: Providers, provider: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON documents of an answer as they were sent."""
    name = provider.upper()
    path = {"anthropic": "/v1/messages", "openai": "/chat/completions"}[provider]
    key = providers.env[f"{name}_API_KEY"]
    headers = {"Authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    text = httpx.post(providers.env[f"{name}_BASE_URL"] + path, json=body, headers=headers).text
    if not body.get("stream"):
        return [json.loads(text)]
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]" and "ping" not in line]


def problems(documents: Iterable[dict[str, Any]], kind: Any) -> Iterable[str]:
    """What this type of the SDK does not expect in these documents, or misses."""
    for document in documents:
        try:
            read = pydantic.TypeAdapter(kind).validate_python(document)
        except pydantic.ValidationError as error:
            yield str(error)
            continue
        yield from unknown(read, "")


def unknown(read: Any, path: str) -> Iterable[str]:
    if isinstance(read, list):
        for item in read:
            yield from unknown(item, path)
    elif isinstance(read, pydantic.BaseModel):
        yield from (f"{path}{name}: unknown" for name in read.model_extra or {})
        for name in type(read).model_fields:
            yield from unknown(getattr(read, name), f"{path}{name}.")


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def tokens_of(message: anthropic.types.Message) -> tuple[int, int]:
    return message.usage.input_tokens, message.usage.output_tokens
