"""What the real providers refuse is refused, as the error class that the SDKs make of it."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.ai_sim.provider import MODEL, Providers
from tests.ai_sim.test_sdks import ASKED, CHAT

EXTRA: dict[str, Any] = {
    "an unknown parameter": {"extra_body": {"colour": "red"}},
    "another type": {"extra_body": {"stop_sequences": "END"}},
    "a word that is none": {"extra_body": {"service_tier": "fastest"}},
    "no messages": {"messages": []},
    "an empty message": {"messages": [{"role": "user", "content": " "}]},
    "an unknown role": {"messages": [{"role": "robot", "content": "Hello"}]},
    "no role": {"messages": [{"content": "Hello"}]},
    "a temperature": {"extra_body": {"temperature": 0.5}},
    "too many tokens": {"max_tokens": 20_000, "extra_body": {"max_tokens": 1_000_000}},
    "too long a prompt": {"messages": [{"role": "user", "content": "word " * 200_000}]},
}
CHAT_EXTRA: dict[str, Any] = {
    "an unknown parameter": {"extra_body": {"colour": "red"}},
    "another type": {"extra_body": {"seed": "one"}},
    "no messages": {"messages": []},
    "an unknown role": {"messages": [{"role": "robot", "content": "Hello"}]},
    "no tokens": {"max_completion_tokens": -1},
    "options of a stream without one": {"stream_options": {"include_usage": True}},
    "what thinking models do not take": {"model": "gpt-5-mini", "max_tokens": 10},
    "a temperature of a thinking model": {"model": "gpt-5-mini", "temperature": 0},
    "too long a prompt": {"messages": [{"role": "user", "content": "word " * 200_000}]},
}


@pytest.mark.parametrize("what", EXTRA)
def test_anthropic_refuses(providers: Providers, what: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        providers.anthropic().messages.create(**ASKED | EXTRA[what])
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id is not None
    assert providers.calls() == []


@pytest.mark.parametrize("what", CHAT_EXTRA)
def test_openai_refuses(providers: Providers, what: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        providers.openai().chat.completions.create(**CHAT | CHAT_EXTRA[what])
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id is not None
    assert providers.calls() == []


def test_max_tokens_must_be_given(providers: Providers) -> None:
    answer = httpx.post(
        f"{providers.env['ANTHROPIC_BASE_URL']}/v1/messages",
        headers={"x-api-key": providers.env["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"},
        json={"model": MODEL, "messages": ASKED["messages"]},
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "type": "invalid_request_error",
        "message": "max_tokens: Field required",
    }


def test_an_unknown_model_is_not_found(providers: Providers) -> None:
    with pytest.raises(anthropic.NotFoundError):
        providers.anthropic().messages.create(**ASKED | {"model": "claude-0"})
    with pytest.raises(openai.NotFoundError) as caught:
        providers.openai().chat.completions.create(**CHAT | {"model": MODEL})
    assert caught.value.code == "model_not_found"


def test_another_key_opens_nothing(providers: Providers) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        providers.anthropic(api_key="sk-ant-other").messages.create(**ASKED)
    with pytest.raises(openai.AuthenticationError):
        providers.openai(api_key="sk-other").chat.completions.create(**CHAT)
    with pytest.raises(openai.AuthenticationError):
        providers.openai(api_key="sk-other").models.list()


def test_too_large_a_request_is_not_read(providers: Providers) -> None:
    huge = {"messages": [{"role": "user", "content": "x" * (32 * 1024**2)}]}
    with pytest.raises(anthropic.RequestTooLargeError):
        providers.anthropic().messages.create(**ASKED | huge)
