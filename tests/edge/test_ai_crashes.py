"""Kill -9 of the edge at every step of an AI call, and clients that leave in the middle of one."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from tests.acting import Person
from tests.ai_sim.provider import eventually
from tests.edge.ai_desk import Desk, ada, at_once, desk, eager, events, impatient
from tests.edge.doomed_ai_edge import STEPS
from tests.edge.process import EdgeProcess
from tests.edge.till import ok

__all__ = ["ada", "desk", "eager", "impatient"]

Start = Callable[..., AbstractContextManager[EdgeProcess]]
DOOMED = {"module": "tests.edge.doomed_ai_edge", "EDGE_AI_LEASE": "1", "EDGE_AI_DEADLINE": "20"}


@pytest.fixture(autouse=True)
def short_leases(environment: dict[str, str]) -> None:
    environment["EDGE_AI_LEASE"] = "1"


@pytest.fixture
def leaving(start_edge: Start, desk: Desk) -> Iterator[Desk]:
    """Before an edge that sees when its clients go."""
    with start_edge() as edge:
        yield at(desk, edge)


def at(desk: Desk, edge: EdgeProcess) -> Desk:
    """The same desk, before another edge."""
    return replace(desk, client=httpx.Client(base_url=edge.url, timeout=60))


def crash(start_edge: Start, desk: Desk, ada: Person, step: str, variant: str = "") -> None:
    """Ask an edge that dies at this step."""
    with start_edge(**DOOMED, DOOM=step, VARIANT=variant) as doomed:
        with pytest.raises(httpx.TransportError):
            at(desk, doomed).ask(ada, idempotency_key="one")
        assert doomed.process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_a_repetition_gets_an_answer_and_is_charged_once(
    start_edge: Start, desk: Desk, ada: Person, step: str
) -> None:
    crash(start_edge, desk, ada, step)
    again = ok(desk.ask(ada, idempotency_key="one"))
    has_finished = step == "after_finish"
    assert again["cached"] is has_finished
    assert len(desk.providers.calls()) == (2 if step == "after_call" else 1)
    assert desk.count(ada) == 1
    assert desk.outcomes().get("abandoned", 0) == (not has_finished)
    # What a dead edge may have spent counts, although nobody will ever hear what it was.
    lost = [request["lost_cost_micros"] for request in desk.requests() if request["outcome"] == "abandoned"]
    assert lost == [desk.requests()[0]["worst_cost_micros"]] * (not has_finished)
    unheard = step == "after_call"
    assert len(desk.worked()) - len(desk.paid()) == unheard
    assert [text for text in desk.complaints() if not (unheard and text.startswith("paid"))] == []


def test_an_edge_that_settles_before_the_call_is_caught(start_edge: Start, desk: Desk, ada: Person) -> None:
    """The control: its user paid for a call that was never made."""
    crash(start_edge, desk, ada, "after_settling", "settles_first")
    assert ok(desk.ask(ada, idempotency_key="one"))["output"] == "?"
    assert (desk.count(ada), desk.providers.calls()) == (1, [])


def test_who_waits_for_an_edge_that_dies_is_answered_by_another(
    start_edge: Start, desk: Desk, ada: Person
) -> None:
    """One more call at most, and one of them is charged."""
    desk.providers.fault("hang")
    with start_edge(**DOOMED, DOOM="never") as doomed:

        def kill() -> None:
            eventually(lambda: desk.providers.state()["under_way"] == 1)
            eventually(lambda: bool(desk.requests()))
            os.killpg(doomed.process.pid, signal.SIGKILL)

        leading = partial(refused_by, at(desk, doomed), ada)
        answers = at_once([leading, *[partial(after_another, desk, ada)] * 12], kill)
        doomed.process.wait(20)
    assert answers[0].status_code == 0
    outputs = {ok(answer)["output"] for answer in answers[1:]}
    assert len(outputs) == 1
    assert len(desk.providers.calls()) == 2
    assert desk.outcomes()["abandoned"] == desk.outcomes()["answered"] == desk.count(ada) == 1
    eventually(lambda: desk.providers.state()["under_way"] == 0)
    assert desk.complaints() == []


def test_an_edge_that_was_taken_for_dead_spoils_nothing(start_edge: Start, desk: Desk, ada: Person) -> None:
    """It slept longer than its lease: its client is answered, its cost is known, nothing counts twice."""
    desk.providers.fault("hang")
    with start_edge(**DOOMED, DOOM="never") as sleeper:
        others: list[dict[str, Any]] = []

        def sleep_over() -> None:
            eventually(lambda: desk.providers.state()["under_way"] == 1)
            os.killpg(sleeper.process.pid, signal.SIGSTOP)
            try:
                others.append(ok(desk.ask(ada)))
            finally:
                desk.providers.clear()
                os.killpg(sleeper.process.pid, signal.SIGCONT)

        (answer,) = at_once([partial(at(desk, sleeper).ask, ada)], sleep_over)
    assert ok(answer)["output"] == others[0]["output"]
    assert len(desk.providers.calls()) == 2
    first, second = desk.requests()
    assert (first["outcome"], first["reason"], first["lost_cost_micros"]) == ("abandoned", "came_back", 0)
    assert first["cost_micros"] == second["cost_micros"] > 0
    assert desk.count(ada) == 1
    assert desk.complaints() == []


def refused_by(desk: Desk, ada: Person) -> httpx.Response:
    """An answer that never comes."""
    try:
        return desk.ask(ada)
    except httpx.TransportError:
        return httpx.Response(0)


def after_another(desk: Desk, ada: Person) -> httpx.Response:
    """Ask the same once somebody else's call is under way."""
    eventually(lambda: desk.providers.state()["under_way"] == 1)
    return desk.ask(ada)


@pytest.mark.parametrize("after", [0, 2])
def test_who_leaves_is_charged_and_finds_the_answer(leaving: Desk, ada: Person, after: int) -> None:
    """In the middle of a stream or before its first word: the provider is paid in any case."""
    leaving.providers.fault("hang", after=after)
    leave(leaving, ada, after)
    eventually(lambda: leaving.providers.state()["under_way"] == 1)
    leaving.providers.clear()
    eventually(lambda: leaving.outcomes() == {"answered": 1})
    told = events(leaving.ask(ada, stream=True))
    assert [name for name, _ in told] == ["delta", "done"]
    assert told[-1][1]["cached"] is True
    assert len(leaving.providers.calls()) == leaving.count(ada) == 1
    assert leaving.complaints() == []


def leave(desk: Desk, ada: Person, after: int) -> None:
    """Read so many pieces of a stream, and hang up."""
    body = {"feature": "summarize", "input": {"text": "The till opens."}, "stream": True}
    headers = {**desk.headers(ada), "content-type": "application/json"}
    with socket.create_connection((desk.client.base_url.host, desk.client.base_url.port or 80)) as connection:
        content = json.dumps(body).encode()
        lines = [
            b"POST /v1/ai/complete HTTP/1.1", b"Host: edge", b"Content-Length: %d" % len(content),
        ]  # fmt: skip
        lines += [f"{name}: {value}".encode() for name, value in headers.items()]
        connection.sendall(b"\r\n".join([*lines, b"", content]))
        received = b""
        while received.count(b"event: delta") < after:
            received += connection.recv(4096)
        eventually(lambda: desk.providers.state()["under_way"] == 1)
