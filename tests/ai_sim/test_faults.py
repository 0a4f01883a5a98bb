"""What goes wrong because somebody wants it to, as the SDKs see it, and what the stand-in counts then."""

from __future__ import annotations

import threading
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.ai_sim.provider import Providers, eventually
from tests.ai_sim.test_sdks import ASKED, CHAT, text_of

ERRORS: dict[str, tuple[type[anthropic.APIStatusError], type[openai.APIStatusError]]] = {
    "rate_limit": (anthropic.RateLimitError, openai.RateLimitError),
    "error": (anthropic.InternalServerError, openai.InternalServerError),
    "unavailable": (anthropic.InternalServerError, openai.InternalServerError),
    "overloaded": (anthropic.InternalServerError, openai.InternalServerError),
    "timeout": (anthropic.InternalServerError, openai.InternalServerError),
    "unauthorized": (anthropic.AuthenticationError, openai.AuthenticationError),
}


@pytest.mark.parametrize("how", ERRORS)
def test_errors_are_typed_and_cost_nothing(providers: Providers, how: str) -> None:
    providers.fault(how, times=2, retry_after=3)
    with pytest.raises(ERRORS[how][0]) as refused:
        providers.anthropic().messages.create(**ASKED)
    with pytest.raises(ERRORS[how][1]) as refused_chat:
        providers.openai().chat.completions.create(**CHAT)
    assert refused.value.response.headers["retry-after"] == "3"
    assert refused_chat.value.response.headers["retry-after"] == "3"
    assert refused.value.status_code == (529 if how == "overloaded" else refused_chat.value.status_code)
    totals = providers.state()["totals"]
    assert totals == {"calls": 2, "answered": 0, "input_tokens": 0, "output_tokens": 0}
    providers.anthropic().messages.create(**ASKED)


def test_a_fault_strikes_whom_it_is_meant_for_and_the_sdk_tries_again(providers: Providers) -> None:
    providers.fault("rate_limit", provider="openai", contains="till", times=2, retry_after=0.01)
    providers.anthropic().messages.create(**ASKED)
    providers.openai(max_retries=2).chat.completions.create(**CHAT)
    calls = [(call["provider"], call["fault"], call["retry"]) for call in providers.calls()]
    assert calls == [
        ("anthropic", None, 0),
        ("openai", "rate_limit", 0),
        ("openai", "rate_limit", 1),
        ("openai", None, 2),
    ]


def test_streams_break(providers: Providers) -> None:
    pieces: list[str] = []
    client, chat = providers.anthropic(), providers.openai()
    providers.fault("break", after=3, times=2)
    with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
        collect(client, pieces)
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        list(chat.chat.completions.create(**CHAT, stream=True))
    assert len(pieces) == 3
    first, second = providers.calls()
    assert (first["whole"], second["whole"], second["reported"]) == (False, False, None)
    assert first["reported"]["output_tokens"] == 1  # only what the beginning says
    assert first["output_tokens"] > 1


def test_streams_fail_midway(providers: Providers) -> None:
    pieces: list[str] = []
    providers.fault("fail_midway", after=2, times=2)
    with pytest.raises(anthropic.APIStatusError) as caught:
        collect(providers.anthropic(), pieces)
    assert caught.value.type == "overloaded_error"
    assert len(pieces) == 2
    with pytest.raises(openai.APIError):
        list(providers.openai().chat.completions.create(**CHAT, stream=True))


@pytest.mark.parametrize("how", ["break", "lost"])
def test_answers_get_lost_although_they_were_worked(providers: Providers, how: str) -> None:
    providers.fault(how, times=2)
    with pytest.raises(anthropic.APIConnectionError):
        providers.anthropic().messages.create(**ASKED)
    with pytest.raises(openai.APIConnectionError):
        providers.openai().chat.completions.create(**CHAT)
    for call in providers.calls():
        assert (call["whole"], call["reported"]) == (False, None)
        assert min(call["input_tokens"], call["output_tokens"]) > 0


def test_a_call_hangs_until_the_faults_are_cleared(providers: Providers) -> None:
    providers.fault("hang")
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(providers.anthropic().messages.create(**ASKED)))
    asking.start()
    eventually(lambda: providers.state()["under_way"] == 1)
    assert answers == []
    providers.clear()
    asking.join(20)
    assert "till" in text_of(answers[0])
    assert providers.state()["under_way"] == 0


def test_a_client_that_goes_ends_the_work(providers: Providers) -> None:
    providers.fault("hang", times=2)
    with pytest.raises(anthropic.APITimeoutError):
        providers.anthropic(timeout=0.2).messages.create(**ASKED)
    with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
        list(providers.openai(timeout=0.2).chat.completions.create(**CHAT, stream=True))
    eventually(lambda: providers.state()["under_way"] == 0)
    assert [call["whole"] for call in providers.calls()] == [False, False]


def test_counts_are_missing_or_wrong(providers: Providers) -> None:
    client, chat = providers.anthropic(), providers.openai()
    providers.fault("uncounted", times=2)
    assert client.messages.create(**ASKED).usage is None
    assert chat.chat.completions.create(**CHAT).usage is None
    providers.fault("count", usage={"output_tokens": -7})
    assert client.messages.create(**ASKED).usage.output_tokens == -7
    providers.fault("count", usage={"completion_tokens": "many"})
    usage: Any = chat.chat.completions.create(**CHAT).usage
    assert usage.completion_tokens == "many"
    providers.fault("count", usage={"input_tokens": 10, "cache_read_input_tokens": 90})
    with client.messages.stream(**ASKED) as stream:
        assert stream.get_final_message().usage.cache_read_input_tokens == 90
    assert min(call["output_tokens"] for call in providers.calls()) > 0


@pytest.mark.parametrize("how", ["refuse", "empty"])
def test_the_model_says_nothing(providers: Providers, how: str) -> None:
    providers.fault(how, times=2)
    message = providers.anthropic().messages.create(**ASKED)
    chat = providers.openai().chat.completions.create(**CHAT)
    assert (message.content, chat.choices[0].message.content) == ([], None)
    assert message.stop_reason == ("refusal" if how == "refuse" else "end_turn")


def test_a_page_instead_of_an_answer(providers: Providers) -> None:
    providers.fault("garbage")
    answer: Any = providers.anthropic().messages.create(**ASKED)
    assert isinstance(answer, str)


def test_chance_depends_on_seed_question_and_attempt_only(providers: Providers) -> None:
    def play() -> list[str | None]:
        providers.reset()
        providers.adversary(seed=7, likely={"error": 0.3, "rate_limit": 0.3}, retry_after=0.01)
        client = providers.anthropic(max_retries=5)
        for number in range(8):
            client.messages.create(**ASKED | {"system": f"Number {number}."})
        return [call["fault"] for call in providers.calls()]

    first = play()
    assert first == play()
    assert {"error", "rate_limit", None} == set(first)


def collect(client: anthropic.Anthropic, pieces: list[str]) -> None:
    """Read a stream as far as it goes."""
    with client.messages.stream(**ASKED) as stream:
        for piece in stream.text_stream:
            pieces.append(piece)
