"""The same answers as server-sent events."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import Person, World
from tests.ai.calls import answered_by, spending, usage
from tests.ai_sim.provider import Providers
from tests.edge.auth_server import AuthServer
from tests.edge.desk import Desk, events_of, said
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


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_an_answer_comes_piece_by_piece(desk: Desk, ada: Person, provider: str) -> None:
    answered_by(desk.world, provider)
    answer = desk.ask(ada, stream=True)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    *deltas, (name, done) = events_of(answer)
    assert len(deltas) > 1
    assert {delta for delta, _ in deltas} == {"delta"}
    (call,) = desk.calls()
    assert (call["provider"], call["streamed"]) == (provider, True)
    assert name == "done"
    assert done["request_id"] == desk.log()[0]["id"]
    assert set(done) == {"request_id", "cached", "truncated", "usage", "limits"}
    assert done["cached"] is False
    assert done["usage"]["input_tokens"] == call["input_tokens"]
    assert done["usage"]["output_tokens"] == call["output_tokens"]
    assert done["usage"]["assumed"] is False
    assert done["limits"]["used"] == usage(ada)["count"] == 1
    again = ok(desk.ask(ada))
    assert (again["cached"], again["output"]) == (True, said(answer))


def test_what_is_known_comes_in_one_piece(desk: Desk, ada: Person) -> None:
    first = ok(desk.ask(ada))
    answer = desk.ask(ada, stream=True)
    (_, delta), (_, done) = events_of(answer)
    assert delta == {"text": first["output"]}
    assert done["cached"] is True


def test_what_fails_before_the_first_word_is_a_problem(desk: Desk, ada: Person) -> None:
    desk.providers.fault("error", times=3)
    problem(desk.ask(ada, stream=True), 503, "provider_unavailable")
    problem(desk.ask(ada, {"text": 1}, stream=True), 422, "validation_failed")
    assert usage(ada)["count"] == 0


@pytest.mark.parametrize("how", ["break", "fail_midway"])
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_what_breaks_midway_ends_with_an_error(desk: Desk, ada: Person, how: str, provider: str) -> None:
    answered_by(desk.world, provider)
    desk.providers.fault(how, after=2)
    answer = desk.ask(ada, stream=True)
    *deltas, (name, told) = events_of(answer)
    assert deltas
    assert (name, told["code"], told["status"]) == ("error", "provider_unavailable", 503)
    (row,) = desk.log()
    worst = row["worst_cost_micros"]
    assert (row["outcome"], row["lost_cost_micros"]) == ("failed", worst)
    assert usage(ada) == {"count": 0, "held": 0, "cost_micros": worst, "held_cost_micros": 0}
    assert spending(desk.world) == (worst, 0)
    assert len(desk.calls()) == 1
    assert ok(desk.ask(ada))["cached"] is False


def test_a_choice_is_told_once_it_is_one(desk: Desk, ada: Person) -> None:
    desk.providers.fault("say", text="A poem instead")
    asked = {"text": "A rocket that flew.", "labels": ["a rocket", "a ship"]}
    answer = desk.ask(ada, asked, "classify", stream=True)
    (_, delta), (name, _) = events_of(answer)
    assert (delta, name) == ({"text": "a rocket"}, "done")
    assert len(desk.calls()) == 2
