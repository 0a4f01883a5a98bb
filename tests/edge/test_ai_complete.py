"""POST /v1/ai/complete: what it answers, what it refuses, and what the provider gets to hear of it."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.ai import inputs
from edge.errors import EdgeError
from tests.acting import Person, World
from tests.ai.calls import project, spending, usage
from tests.ai_sim.provider import Providers
from tests.edge.auth_server import AuthServer
from tests.edge.desk import Desk
from tests.edge.till import ok, problem


@pytest.fixture
def desk(
    client: TestClient[ASGIApp], world: World, auth: AuthServer, providers: Providers, log: io.StringIO
) -> Iterator[Desk]:
    yield Desk(client, world, auth, providers)
    print(log.getvalue())


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def test_a_question_is_answered_counted_and_paid(desk: Desk, ada: Person) -> None:
    answer = ok(desk.ask(ada, "Ada met Grace. They talked."))
    (call,) = desk.calls()
    assert (call["provider"], call["model"]) == ("anthropic", "claude-haiku-4-5")
    assert answer["output"].startswith("In short")
    assert answer["output"].endswith(": Ada met Grace. They talked.")
    assert (answer["cached"], answer["truncated"]) == (False, False)
    cost = -(-(call["input_tokens"] * 1_000_000 + call["output_tokens"] * 5_000_000) // 1_000_000)
    assert answer["usage"] == {
        "input_tokens": call["input_tokens"], "output_tokens": call["output_tokens"],
        "cached_input_tokens": 0, "cost_micros": cost, "assumed": False,
    }  # fmt: skip
    assert (answer["limits"]["used"], answer["limits"]["remaining"]) == (1, 4)
    assert usage(ada) == {"count": 1, "held": 0, "cost_micros": cost, "held_cost_micros": 0}
    assert spending(desk.world) == (cost, 0)


def test_the_other_provider_is_asked_alike(desk: Desk, ada: Person) -> None:
    answer = ok(desk.ask(ada, {"text": "My invoice is wrong.", "labels": ["billing", "love"]}, "classify"))
    (call,) = desk.calls()
    assert (call["provider"], call["model"]) == ("openai", "gpt-6-luna")
    assert "- billing\n- love" in call["prompt"]
    assert answer["usage"]["input_tokens"] == call["input_tokens"]
    assert usage(ada)["count"] == 1


LABELS = ["Billing", "Feature request"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_providers_are_asked_to_hold_the_model_to_the_labels(desk: Desk, ada: Person, provider: str) -> None:
    """The stand-in answers in JSON only where a schema asks for it, and from what the schema lists."""
    desk.world.as_dba(
        "update ai.features set provider = s.provider, model = s.model, parameters = '{\"max_tokens\": 128}',"
        " template = '{text}: {labels}'"
        " from ai.features as s where ai.features.feature = 'classify' and s.provider = %s",
        provider,
    )
    output = ok(desk.ask(ada, {"text": "Money", "labels": LABELS}, "classify"))["output"]
    assert output in LABELS
    (call,) = desk.calls()
    assert (call["provider"], call["streamed"]) == (provider, False)


@pytest.mark.parametrize(
    "said", ["Billing", "billing", " BILLING\n", "feature  Request", '{"answer": "Billing"}']
)
def test_an_answer_is_the_label_as_it_was_written(desk: Desk, ada: Person, said: str) -> None:
    desk.providers.fault("say", text=said)
    answer = ok(desk.ask(ada, {"text": "Money.", "labels": LABELS}, "classify"))
    assert answer["output"] == ("Billing" if "illing" in said.lower() else "Feature request")
    assert len(desk.calls()) == 1


@pytest.mark.parametrize(
    "said", ["Love", "Billing or Feature request", "- Billing", "bill", '{"answer": "Love"}', '["Billing"]']
)
def test_what_is_no_label_is_no_answer(desk: Desk, ada: Person, said: str) -> None:
    desk.providers.fault("say", times=9, text=said)
    asked = {"text": "Money.", "labels": LABELS}
    problem(desk.ask(ada, asked, "classify"), 503, "provider_unavailable")
    calls, (row,) = desk.calls(), desk.log()
    assert len(calls) == 3
    assert (row["outcome"], row["reason"]) == ("failed", "not_a_choice")
    for count in ("input_tokens", "output_tokens"):
        assert row[count] == sum(call[count] for call in calls)
    assert (row["is_assumed"], row["lost_cost_micros"]) == (False, 0)
    spent = row["cost_micros"]
    assert spent > 0
    assert usage(ada) == {"count": 0, "held": 0, "cost_micros": spent, "held_cost_micros": 0}
    assert spending(desk.world) == (spent, 0)

    desk.providers.clear()
    desk.providers.fault("say", text=said)
    answer = ok(desk.ask(ada, asked, "classify"))
    assert answer["output"] in LABELS
    assert answer["usage"]["input_tokens"] == sum(call["input_tokens"] for call in desk.calls()[3:])
    assert usage(ada)["count"] == 1


def test_the_same_labels_written_otherwise_are_another_question(desk: Desk, ada: Person) -> None:
    for labels in (["love", "hate"], ["love ", "hate"], ["lo\u200bve", "hate"], ["lo\nve", "hate"]):
        desk.providers.fault("say", text=labels[0].strip().replace("\u200b", "").replace("\n", " "))
        answer = ok(desk.ask(ada, {"text": "Love.", "labels": labels}, "classify"))
        assert answer["output"] == labels[0]


def test_an_answer_is_given_again_for_nothing(desk: Desk, ada: Person) -> None:
    first = ok(desk.ask(ada))
    again = ok(desk.ask(ada))
    assert [first["request_id"], again["request_id"]] == [row["id"] for row in desk.log()]
    assert again["output"] == first["output"]
    assert again["cached"] is True
    assert again["usage"]["cost_micros"] == 0
    assert again["limits"]["used"] == 1
    assert len(desk.calls()) == 1


def test_what_a_stranger_asked_is_asked_again(desk: Desk, ada: Person) -> None:
    ok(desk.ask(ada))
    assert ok(desk.ask(desk.world.person("bob")))["cached"] is False
    assert len(desk.calls()) == 2


def test_a_project_is_summarized_with_the_callers_eyes(desk: Desk, ada: Person) -> None:
    rocket = project(ada, "Rocket")
    ada.rows("insert into tasks (project_id, title) values (%s, 'Fuel the engine')", rocket)
    ok(desk.ask(ada, {"project_id": rocket}))
    (call,) = desk.calls()
    assert "Fuel the engine" in call["prompt"]
    answer = desk.ask(desk.world.person("bob"), {"project_id": rocket})
    assert problem(answer, 404, "not_found")["field"] == "project_id"
    assert len(desk.calls()) == 1


UNFIT: list[tuple[Any, str, str]] = [
    ({}, "input", "with exactly one of text, project_id"),
    ({"text": "A", "project_id": str(uuid.uuid4())}, "input", "with exactly one of text, project_id"),
    ({"text": 1}, "input.text", "a text"),
    ({"text": None}, "input.text", "a text"),
    ({"text": ["A"]}, "input.text", "a text"),
    ({"text": ""}, "input.text", "at least 1 character long"),
    ({"text": "x" * 20_001}, "input.text", "at most 20000 characters long"),
    ({"text": "A\0B"}, "input.text", "without NUL characters"),
    ({"text": "A", "model": "claude-opus-5-5"}, "input", "without other members"),
    ({"text": "A", "x": {"y\0": ["\0"]}}, "input.x", "without NUL characters"),
    ({"text": "A", "more": [1, "a"] * 100_000}, "input", "of at most 1000 values"),
    ({"text": "A", "more": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}, "input", "at most 20 deep"),
    ({"project_id": "1"}, "input.project_id", "a uuid"),
    ({"text": " \n\t "}, "input.text", "given, and more than spaces"),
]


def test_an_input_that_does_not_fit_is_refused(desk: Desk, ada: Person) -> None:
    for input_, field, rule in UNFIT:
        told = problem(desk.ask(ada, input_), 422, "validation_failed")
        assert (told["field"], told["rule"]) == (field, rule)
    assert desk.calls() == []
    assert usage(ada)["held"] == 0


def test_elements_are_not_compared_with_each_other() -> None:
    """The library does so with what cannot be sorted: a few requests a second would occupy the edge."""
    compared = 0

    class Counted(dict[str, int]):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

        __hash__ = None

    schema = {"type": "object", "properties": {"labels": {"type": "array", "uniqueItems": True}}}
    inputs.check_input(schema, {"labels": [Counted(a=n) for n in range(400)]})
    assert compared == 0
    with pytest.raises(EdgeError):
        inputs.check_input(schema, {"labels": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]})


UNFIT_LABELS: list[tuple[Any, str]] = [
    (None, "input"),
    ("a", "input.labels"),
    (["a"], "input.labels"),
    (["a", "a"], "input.labels"),
    ([str(n) for n in range(21)], "input.labels"),
    (["a", 1], "input.labels.1"),
    (["a", "\u200b"], "input.labels"),
]


def test_labels_are_a_list_of_different_words(desk: Desk, ada: Person) -> None:
    for labels, field in UNFIT_LABELS:
        input_ = {"text": "A"} if labels is None else {"text": "A", "labels": labels}
        told = problem(desk.ask(ada, input_, "classify"), 422, "validation_failed")
        assert told["field"] == field, labels


NO_QUESTIONS: list[Any] = [
    {"feature": "summarize", "input": {"text": "A"}, "model": "claude-opus-5-5"},
    {"feature": "summarize", "input": {"text": "A"}, "cost_micros": 0},
    {"feature": "summarize", "input": {"text": "A"}, "parameters": {"max_tokens": 1}},
    {"feature": "summarize", "input": "A"},
    {"feature": "summarize", "input": [{"text": "A"}]},
    {"feature": "summarize"},
    {"input": {"text": "A"}},
    {"feature": 1, "input": {"text": "A"}},
    {"feature": "nothing", "input": {"text": "A"}},
    {"feature": "summa\0rize", "input": {"text": "A"}},
    {"feature": "summarize", "input": {"text": "A"}, "stream": "yes"},
    {"feature": "summarize", "input": {"text": "A"}, "idempotency_key": ""},
    {"feature": "summarize", "input": {"text": "A"}, "idempotency_key": "a\nb"},
    [],
    b"",
    b"{",
    b'{"feature": "summarize", "input": {"text": "\\ud800"}}',
    b'{"feature": "summarize", "input": {"text": "\xff"}}',
    b'{"feature": "summarize", "input": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
]


def test_nothing_else_is_a_question(desk: Desk, ada: Person) -> None:
    for body in NO_QUESTIONS:
        problem(desk.post(ada, body), 422, "validation_failed")
    assert desk.calls() == []


def test_ten_megabytes_are_too_much(desk: Desk, ada: Person) -> None:
    problem(desk.ask(ada, "x" * 10_000_000), 413, "payload_too_large")


def test_control_characters_do_not_reach_the_model(desk: Desk, ada: Person) -> None:
    ok(desk.ask(ada, "One\x1b[31m two\u202e\x07\r\nthree"))
    (call,) = desk.calls()
    assert "<text>\nOne[31m two\nthree\n</text>" in call["prompt"]


def test_who_has_used_up_the_plan_is_told_what_would_help(desk: Desk, ada: Person) -> None:
    for number in range(5):
        ok(desk.ask(ada, f"Text {number}."))
    told = problem(desk.ask(ada, "Text 5."), 402, "quota_exceeded")
    assert (told["limit"], told["used"], told["reason"]) == (5, 5, "hard_limit")
    assert "upgrade" in told
    assert len(desk.calls()) == 5
    assert ok(desk.ask(ada, "Text 0."))["cached"] is True


def test_what_could_cost_too_much_is_not_asked(desk: Desk, ada: Person) -> None:
    desk.world.as_dba("update ai.features set cost_ceiling_micros = 1")
    told = problem(desk.ask(ada), 422, "validation_failed")
    assert (told["field"], told["cost_ceiling_micros"]) == ("input", 1)
    assert desk.calls() == []


def test_the_budget_of_all_is_nobodys_fault(desk: Desk, ada: Person) -> None:
    desk.world.as_dba("update metering.budgets set cost_limit_micros = 1")
    told = problem(desk.ask(ada), 503, "provider_unavailable")
    assert told["scope"] == "installation"
    assert desk.calls() == []


@pytest.mark.parametrize("how", ["rate_limit", "error", "overloaded", "unavailable", "timeout"])
def test_a_provider_that_stumbles_is_asked_again(desk: Desk, ada: Person, how: str) -> None:
    desk.providers.fault(how, retry_after=0.01)
    assert ok(desk.ask(ada))["usage"]["assumed"] is False
    assert usage(ada)["count"] == 1
    assert len(desk.calls()) == 2


@pytest.mark.parametrize("how", ["error", "unauthorized"])
def test_without_an_answer_nothing_is_counted(desk: Desk, ada: Person, how: str) -> None:
    desk.providers.fault(how, times=9, retry_after=0.01)
    problem(desk.ask(ada), 503, "provider_unavailable")
    assert usage(ada) == {"count": 0, "held": 0, "cost_micros": 0, "held_cost_micros": 0}
    assert spending(desk.world) == (0, 0)
    assert len(desk.calls()) == (1 if how == "unauthorized" else 3)
    desk.providers.clear()
    ok(desk.ask(ada))


@pytest.mark.parametrize("how", ["garbage", "lost", "break"])
@pytest.mark.parametrize("feature", ["summarize", "classify"])
def test_an_attempt_that_is_lost_may_have_cost(desk: Desk, ada: Person, how: str, feature: str) -> None:
    input_ = {"text": "A", "labels": ["a", "b"]} if feature == "classify" else {"text": "A"}
    desk.providers.fault(how)
    paid = ok(desk.ask(ada, input_, feature))["usage"]["cost_micros"]
    worst = desk.log()[0]["worst_cost_micros"]
    assert (usage(ada)["cost_micros"], spending(desk.world)) == (paid + worst, (paid + worst, 0))
    desk.providers.fault(how, times=9)
    problem(desk.ask(ada, {**input_, "text": "B"}, feature), 503, "provider_unavailable")
    assert len(desk.calls()) == 4
    assert usage(ada)["count"] == 1
    assert (usage(ada)["cost_micros"], spending(desk.world)) == (paid + 3 * worst, (paid + 3 * worst, 0))


def test_an_answer_without_words_is_none(desk: Desk, ada: Person) -> None:
    desk.providers.fault("empty")
    problem(desk.ask(ada), 503, "provider_unavailable")
    assert usage(ada)["count"] == 0
    assert desk.log()[0]["reason"] == "empty"


def test_who_shall_wait_long_is_told_so(desk: Desk, ada: Person) -> None:
    desk.providers.fault("rate_limit", retry_after=300)
    answer = desk.ask(ada)
    problem(answer, 503, "provider_unavailable")
    assert answer.headers["retry-after"] == "300"
    assert len(desk.calls()) == 1


def test_a_count_that_cannot_be_is_not_believed(desk: Desk, ada: Person) -> None:
    desk.providers.fault("uncounted")
    answer = ok(desk.ask(ada))
    assert answer["usage"]["assumed"] is True
    assert usage(ada)["cost_micros"] == desk.log()[0]["worst_cost_micros"]


@pytest.mark.parametrize("feature", ["summarize", "classify"])
def test_who_is_declined_is_told_so(desk: Desk, ada: Person, feature: str) -> None:
    desk.providers.fault("refuse")
    input_ = {"text": "A", "labels": ["a", "b"]} if feature == "classify" else {"text": "A"}
    told = problem(desk.ask(ada, input_, feature), 422, "validation_failed")
    assert told["field"] == "input"
    assert usage(ada)["count"] == 0
    assert desk.log()[0]["outcome"] == "declined"


def test_an_idempotency_key_belongs_to_one_question(desk: Desk, ada: Person) -> None:
    first = ok(desk.ask(ada, idempotency_key="one"))
    assert ok(desk.ask(ada, idempotency_key="one"))["output"] == first["output"]
    told = problem(desk.ask(ada, "Another.", idempotency_key="one"), 409, "conflict")
    assert told["idempotency_key"] == "one"


def test_the_logs_have_no_text(desk: Desk, ada: Person, log: io.StringIO) -> None:
    desk.providers.fault("error")
    output = ok(desk.ask(ada, "Xyzzy, the secret word."))["output"]
    desk.providers.fault("unauthorized")
    desk.ask(ada, "Xyzzy again.")
    desk.ask(ada, {"text": "Xyzzy", "more": "Xyzzy"})
    assert "Xyzzy" in output
    assert "Xyzzy" not in log.getvalue()
    assert "Xyzzy" not in str(desk.log())


def test_strangers_ask_nothing(desk: Desk) -> None:
    problem(desk.client.post("/v1/ai/complete", json={}), 401, "not_authenticated")
    problem(desk.ask(uuid.uuid4()), 401, "not_authenticated")


def test_without_a_key_there_is_no_answer(
    client: TestClient[ASGIApp], world: World, auth: AuthServer, stack: dict[str, str]
) -> None:
    desk, ada = Desk(client, world, auth, Providers(stack)), world.person("ada")
    problem(desk.ask(ada), 503, "provider_unavailable")
    assert usage(ada)["held"] == 0
    assert desk.log()[0]["reason"] == "no_key"
