"""People who ask the edge for answers of models, and books that must agree with the providers' own."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.ai import providers as edge_providers
from tests.acting import Person, World
from tests.ai_sim.provider import Providers
from tests.edge.auth_server import AuthServer

Answer = httpx.Response
PRICES = {"anthropic": (1.0, 5.0), "openai": (0.1, 0.5)}
"""Micros of a token in and of one out, as ai.models has them for the models of the features."""


@dataclass
class Desk:
    """Asks the edge as a person; `client` may be another edge from one request to the next."""

    client: TestClient[ASGIApp] | httpx.Client
    world: World
    auth: AuthServer
    providers: Providers

    def ask(self, person: Person, text: str = "The till opens.", **more: Any) -> Answer:
        """Have a text summarized; `feature` and `input` ask for something else."""
        return self.client.post(
            "/v1/ai/complete",
            headers=self.headers(person),
            json={"feature": "summarize", "input": {"text": text}, **more},
            timeout=60,
        )

    def classify(self, person: Person, text: str = "The till opens.", **more: Any) -> Answer:
        return self.ask(
            person, feature="classify", input={"text": text, "labels": ["till", "kitchen"]}, **more
        )

    def headers(self, person: Person) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.auth.token(person.id)}"}

    def allow(self, person: Person, calls: int = 1000) -> None:
        """So many calls in a month, whatever the plan says."""
        self.world.as_dba(
            "insert into metering.overrides (user_id, action, hard_limit, cost_limit_micros, reason)"
            " values (%s, 'ai', %s, 20000000, 'a test')",
            person.id, calls,
        )  # fmt: skip

    def requests(self) -> list[dict[str, Any]]:
        """The log, oldest first."""
        rows = self.world.as_dba("select to_jsonb(r) as row from ai.requests as r order by created_at, id")
        return [row["row"] for row in rows]

    def outcomes(self) -> dict[str, int]:
        """How many requests ended how."""
        counts: dict[str, int] = {}
        for request in self.requests():
            counts[request["outcome"]] = counts.get(request["outcome"], 0) + 1
        return counts

    def count(self, person: Person) -> int:
        """How many calls somebody was charged for."""
        rows = person.rows("select count from usage where action = 'ai'")
        return int(rows[0]["count"]) if rows else 0

    def spent(self) -> int:
        """What the installation spent, in micros."""
        rows = self.world.as_dba("select cost_micros from metering.spending where action = 'ai'")
        return int(rows[0]["cost_micros"]) if rows else 0

    def complaints(self, *, before: int = 0) -> list[str]:
        """What is wrong once all is over: what still runs or is held, and sums that differ.

        `before` calls were counted by hand.
        """
        (books,) = self.world.as_dba(
            """
            select
                (select count(*) from ai.requests where outcome = 'under_way') as under_way,
                (select count(*) from metering.reservations where status = 'held') as holds,
                coalesce(sum(u.held), 0) as held,
                coalesce(sum(u.held_cost_micros), 0) as held_cost,
                coalesce(sum(u.count), 0) as counted,
                coalesce(sum(u.cost_micros), 0) as users_spent,
                coalesce((select sum(s.held_cost_micros) from metering.spending as s), 0) as budget_held,
                coalesce((select sum(s.cost_micros) from metering.spending as s), 0) as budget_spent
            from public.usage as u
            where u.action = 'ai'
            """
        )
        requests = self.requests()
        everything = sum(r["cost_micros"] + r["lost_cost_micros"] for r in requests)
        wanted = {
            "under_way": 0, "holds": 0, "held": 0, "held_cost": 0, "budget_held": 0,
            "counted": before + sum(r["outcome"] == "answered" for r in requests),
            "users_spent": everything,
            "budget_spent": everything,
        }  # fmt: skip
        wrong = [name for name, value in wanted.items() if books[name] != value]
        found = [f"{name} is {books[name]}, not {wanted[name]}" for name in wrong]
        if (paid := self.paid()) != (worked := self.worked()):
            found.append(f"paid {paid}, worked {worked}")
        return found

    def paid(self) -> list[tuple[int, int, int]]:
        """Tokens in, tokens out and micros of each call whose count was believed, smallest first."""
        believed = [r for r in self.requests() if r["output_tokens"] and not r["is_assumed"]]
        return sorted((r["input_tokens"], r["output_tokens"], r["cost_micros"]) for r in believed)

    def worked(self) -> list[tuple[int, int, int]]:
        """The same by the providers' own count: of each call whose right count was sent to its end."""
        return sorted(
            (call["input_tokens"], call["output_tokens"], _price(call))
            for call in self.providers.calls()
            if call["whole"] and call["reported"] and call["fault"] != "count"
        )


def _price(call: dict[str, Any]) -> int:
    input_price, output_price = PRICES[call["provider"]]
    micros = call["input_tokens"] * input_price * 10 + call["output_tokens"] * output_price * 10
    return -int(-micros // 10)


def at_once(asks: Sequence[Callable[[], Answer]], meanwhile: Callable[[], object] = int) -> list[Answer]:
    """The answers to questions asked in the same moment; something may be done while they wait."""
    barrier = threading.Barrier(len(asks) + 1)

    def asking(ask: Callable[[], Answer]) -> Answer:
        barrier.wait(60)
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        futures = [pool.submit(asking, ask) for ask in asks]
        barrier.wait(60)
        meanwhile()
        return [future.result(120) for future in futures]


def events(answer: Answer) -> list[tuple[str, Any]]:
    """The events of a stream."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
    blocks = [block.split("\n", 1) for block in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.fixture
def desk(
    client: TestClient[ASGIApp], world: World, auth: AuthServer, providers: Providers, log: io.StringIO
) -> Iterator[Desk]:
    """The edge in this process, before the providers' stand-in."""
    yield Desk(client, world, auth, providers)
    print(log.getvalue())


@pytest.fixture
def impatient(environment: dict[str, str]) -> None:
    """Two seconds for a call, one for each attempt, and dead after one without a sign of life."""
    environment.update({"EDGE_AI_DEADLINE": "2", "EDGE_AI_LEASE": "1"})


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(edge_providers, "FIRST_PAUSE", 0.01)


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")
