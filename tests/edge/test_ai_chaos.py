"""Providers fail in every way: calls end, holds end, attempts are bounded, and the books are right."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from edge.ai import completions as edge_completions
from edge.ai import providers as edge_providers
from edge.ai.anthropic_api import AnthropicApi
from edge.ai.call import Call, Reply, Say
from edge.ai.completions import Completion, Completions
from edge.queries import FINISH_COMPLETION
from tests.acting import Person
from tests.ai.calls import answered_by
from tests.edge.ai_desk import Desk, ada, at_once, desk, eager, events, impatient
from tests.edge.till import ok, problem

__all__ = ["ada", "desk", "eager", "impatient"]

STORM = 1000
LASTING = {
    # how: how often the provider is asked, how many of these are lost at worst, why it failed
    "rate_limit": (3, 0, "rate_limited"),
    "error": (3, 0, "failed"),
    "unavailable": (3, 0, "overloaded"),
    "overloaded": (3, 0, "overloaded"),
    "timeout": (3, 0, "timeout"),
    "unauthorized": (1, 0, "not_authorized"),
    "lost": (2, 2, "unreachable"),
    "break": (2, 2, "unreachable"),
    "garbage": (2, 2, "broken"),
}


def fails(desk: Desk, person: Person, how: str, *, feature: str = "ask", **more: Any) -> dict[str, Any]:
    """Ask while it goes wrong for good; the problem, after everything that has to hold then was looked at."""
    calls, lost, reason = LASTING[how]
    desk.providers.fault(how, times=STORM)
    ask = desk.ask if feature == "ask" else desk.classify
    body = problem(ask(person, **more), 503, "provider_unavailable")
    assert len(desk.providers.calls()) == calls
    (request,) = desk.requests()
    assert (request["outcome"], request["reason"]) == ("failed", reason)
    assert desk.spent() == request["lost_cost_micros"] == lost * request["worst_cost_micros"]
    assert desk.count(person) == 0
    assert desk.complaints() == []
    return body


@pytest.mark.parametrize("how", LASTING)
def test_what_lasts_is_told_after_few_attempts(desk: Desk, ada: Person, how: str) -> None:
    fails(desk, ada, how)
    desk.providers.clear()
    assert ok(desk.ask(ada))["cached"] is False
    desk.providers.reset()
    desk.world.as_dba("truncate ai.requests, metering.spending, metering.reservations, usage")
    fails(desk, ada, how, feature="classify")


@pytest.mark.parametrize("stream", [False, True])
def test_what_passes_is_not_noticed(desk: Desk, ada: Person, stream: bool) -> None:
    desk.allow(ada)
    for number, how in enumerate(["rate_limit", "error", "overloaded", "timeout"]):
        desk.providers.fault(how, times=2)
        answer = desk.ask(ada, f"Number {number}.", stream=stream)
        assert answer.status_code == 200, answer.text
    for number, how in enumerate(["lost", "garbage"]):
        desk.providers.fault(how, after=0)
        answer = desk.classify(ada, f"Number {number}.", stream=stream)
        assert answer.status_code == 200, answer.text
        assert not stream or events(answer)[-1][0] == "done"
    assert len(desk.providers.calls()) == 4 * 3 + 2 * 2
    assert desk.count(ada) == 6
    assert desk.complaints() == []


def test_a_provider_that_wants_to_be_left_alone_is(desk: Desk, ada: Person) -> None:
    """For longer than anybody waits: it is not asked again, and the client is told when."""
    desk.providers.fault("rate_limit", times=STORM, retry_after=120)
    answer = desk.ask(ada)
    problem(answer, 503, "provider_unavailable")
    assert answer.headers["retry-after"] == "120"
    assert len(desk.providers.calls()) == 1
    desk.providers.clear()
    desk.providers.fault("rate_limit", retry_after=1)
    ok(desk.ask(ada))
    (first, *_), (*_, last) = desk.providers.calls(), desk.requests()
    assert first["fault"] == "rate_limit"
    assert last["latency_ms"] >= 1000
    assert desk.complaints() == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("stream", [False, True])
def test_silence_ends_with_the_deadline(desk: Desk, ada: Person, stream: bool) -> None:
    """Also that of a stream which began."""
    desk.providers.fault("hang", times=STORM, after=2)
    answer = desk.ask(ada, stream=stream)
    if stream:
        told = events(answer)
        assert [name for name, _ in told] == ["delta", "delta", "error"]
        assert told[-1][1]["code"] == "provider_unavailable"
    else:
        problem(answer, 503, "provider_unavailable")
    (request,) = desk.requests()
    assert (request["outcome"], request["reason"]) == ("failed", "timeout")
    calls = 1 if stream else 2
    assert len(desk.providers.calls()) == calls
    assert desk.spent() == calls * request["worst_cost_micros"]
    assert desk.complaints() == []


@pytest.mark.parametrize("how", ["break", "fail_midway"])
def test_a_stream_that_ends_too_soon_is_an_error(desk: Desk, ada: Person, how: str) -> None:
    """Nothing is said twice, so nothing is asked twice; what it cost is assumed."""
    for provider in ("anthropic", "openai"):
        answered_by(desk.world, provider)
        desk.providers.fault(how, after=2)
        told = events(desk.ask(ada, "The till opens and closes.", stream=True))
        assert [name for name, _ in told][-1] == "error"
        assert told[-1][1]["code"] == "provider_unavailable"
    assert len(desk.providers.calls()) == 2
    assert desk.count(ada) == 0
    assert desk.spent() == sum(request["worst_cost_micros"] for request in desk.requests())
    assert desk.complaints() == []


def test_a_stream_that_breaks_before_its_first_word_is_asked_again(desk: Desk, ada: Person) -> None:
    desk.providers.fault("break", after=0)
    told = events(desk.ask(ada, stream=True))
    assert told[-1][0] == "done"
    assert len(desk.providers.calls()) == 2
    (request,) = desk.requests()
    assert request["lost_cost_micros"] == request["worst_cost_micros"]
    assert desk.complaints() == []


WRONG: dict[str, list[dict[str, Any]]] = {
    "ask": [
        {"output_tokens": -7}, {"output_tokens": 0}, {"output_tokens": None}, {"input_tokens": "many"},
        {"input_tokens": 10**18}, {"output_tokens": 1.5}, {"cache_read_input_tokens": -10},
    ],
    "classify": [
        {"completion_tokens": -7}, {"completion_tokens": 10**18}, {"prompt_tokens": None},
        {"prompt_tokens_details": {"cached_tokens": 10**9}}, {"prompt_tokens": 0},
    ],
}  # fmt: skip


@pytest.mark.parametrize("feature", WRONG)
@pytest.mark.parametrize("stream", [False, True])
def test_counts_that_cannot_be_are_the_worst_case(
    desk: Desk, ada: Person, feature: str, stream: bool
) -> None:
    desk.allow(ada)
    ask = desk.ask if feature == "ask" else desk.classify
    if stream and feature == "classify":
        answered_by(desk.world, "openai")
        ask = desk.ask  # what must be one of several labels comes at once
    desk.providers.fault("uncounted")
    answers = [ask(ada, "Uncounted.", stream=stream)]
    for number, usage in enumerate(WRONG[feature]):
        desk.providers.fault("count", usage=usage)
        answers.append(ask(ada, f"Number {number}.", stream=stream))
    usages = [{}, *WRONG[feature]]
    for usage, answer, request in zip(usages, answers, desk.requests(), strict=True):
        shown = events(answer)[-1][1] if stream else ok(answer)
        assert shown["usage"]["assumed"] is True, usage
        assert shown["usage"]["cost_micros"] == request["cost_micros"] == request["worst_cost_micros"]
    assert desk.count(ada) == len(answers)
    desk.world.as_dba("update ai.requests set is_assumed = true")
    assert [text for text in desk.complaints() if not text.startswith("paid")] == []


def test_tokens_of_the_providers_cache_cost_what_they_cost(desk: Desk, ada: Person) -> None:
    desk.providers.fault("count", usage={"input_tokens": 10, "cache_read_input_tokens": 90})
    usage = ok(desk.ask(ada))["usage"]
    assert (usage["input_tokens"], usage["cached_input_tokens"]) == (100, 90)
    assert usage["cost_micros"] == 10 + 9 + 5 * usage["output_tokens"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_no_text_can_hold_is_left_out(
    desk: Desk, ada: Person, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the answer is paid, cannot be kept, and its hold waits for the lease to run out."""
    said = "\0One\ud83d\ude00\0 two\ud800"
    reply = Reply(output=said, tokens={"input_tokens": 9, "output_tokens": 3})

    async def ask(*_: object) -> Reply:
        return reply

    async def speak(api: object, call: Call, timeout: float, say: Say) -> Reply:
        say(said)
        return reply

    monkeypatch.setattr(AnthropicApi, "ask", ask)
    monkeypatch.setattr(AnthropicApi, "stream", speak)
    answer = desk.ask(ada, stream=stream)
    assert answer.status_code == 200
    assert "One😀 two�" in (answer.text if stream else answer.json()["output"])
    assert desk.outcomes() == {"answered": 1}
    assert desk.count(ada) == 1


def test_of_nul_alone_there_is_no_answer(desk: Desk, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_: object) -> Reply:
        return Reply(output="\0", tokens={"input_tokens": 9, "output_tokens": 1})

    monkeypatch.setattr(AnthropicApi, "ask", ask)
    problem(desk.ask(ada), 503, "provider_unavailable")
    assert desk.outcomes() == {"failed": 1}


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_will_not_is_paid_and_not_counted(desk: Desk, ada: Person, stream: bool) -> None:
    desk.providers.fault("refuse")
    problem(desk.ask(ada, stream=stream), 422, "validation_failed")
    desk.providers.fault("empty")
    problem(desk.ask(ada, "Another.", stream=stream), 503, "provider_unavailable")
    assert desk.outcomes() == {"declined": 1, "failed": 1}
    assert desk.count(ada) == 0
    assert desk.spent() > 0
    assert len(desk.providers.calls()) == 2
    assert desk.complaints() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_the_books_agree_after_a_bad_day(desk: Desk, ada: Person, seed: int) -> None:
    """Sixty questions, a third of them alike, some streamed, while every other attempt goes wrong."""
    desk.allow(ada)
    likely = {
        "rate_limit": 0.1, "error": 0.1, "overloaded": 0.05, "lost": 0.05, "break": 0.1, "fail_midway": 0.05,
        "uncounted": 0.05, "garbage": 0.05, "slow": 0.1, "empty": 0.02, "refuse": 0.03,
    }  # fmt: skip
    desk.providers.adversary(seed=seed, likely=likely, seconds=0.02)
    asks = []
    for number in range(60):
        ask = desk.ask if number % 2 else desk.classify
        asks.append(partial(ask, ada, f"Number {number % 40}.", stream=number % 3 == 0))
    answers = at_once(asks)
    assert {answer.status_code for answer in answers} <= {200, 422, 503}
    assert len({call["fault"] for call in desk.providers.calls()}) > 6
    free = sum(desk.outcomes().get(outcome, 0) for outcome in ("hit", "followed"))
    assert len(desk.providers.calls()) <= 3 * (60 - free)
    assert desk.complaints() == []


def test_more_attempts_than_allowed_are_caught(
    desk: Desk, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control of the bounds."""
    monkeypatch.setattr(edge_providers, "ATTEMPTS", 5)
    with pytest.raises(AssertionError, match="5"):
        fails(desk, ada, "error")


def test_an_edge_that_forgets_its_holds_is_caught(
    desk: Desk, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(*_: object) -> None:
        pass

    monkeypatch.setattr(Completions, "_fail", forget)
    desk.providers.fault("unauthorized")
    problem(desk.ask(ada), 503, "provider_unavailable")
    assert {text.split()[0] for text in desk.complaints()} >= {"under_way", "holds", "held", "budget_held"}


def test_an_edge_that_settles_before_the_call_is_caught(
    desk: Desk, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = Completions._lead

    async def settle_first(self: Completions, call: Call, say: Say | None) -> Completion:
        report = {"request_id": call.request_id, "output": "?", "is_cut": False, "lost": 0, "latency_ms": 1}
        await self._report(FINISH_COMPLETION, {**report, "tokens": "{}"})
        return await lead(self, call, say)

    monkeypatch.setattr(edge_completions.Completions, "_lead", settle_first)
    with pytest.raises(AssertionError):
        fails(desk, ada, "unauthorized")
    assert desk.count(ada) == 1
