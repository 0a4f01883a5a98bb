"""A desk where people ask models things, and what the provider has of it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import Person, Row, World
from tests.ai_sim.provider import Providers
from tests.edge.auth_server import AuthServer

PATH = "/v1/ai/complete"


@dataclass
class Desk:
    """Asks the edge as a person; `client` may be another edge from one request to the next."""

    client: TestClient[ASGIApp] | httpx.Client
    world: World
    auth: AuthServer
    providers: Providers

    def headers(self, person: Person | uuid.UUID) -> dict[str, str]:
        id_ = person.id if isinstance(person, Person) else person
        return {"Authorization": f"Bearer {self.auth.token(id_)}", "content-type": "application/json"}

    def post(self, person: Person | uuid.UUID, body: Any) -> httpx.Response:
        """Any body at all."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(PATH, headers=self.headers(person), content=content)

    def ask(
        self, person: Person | uuid.UUID, input_: Any = "A text.", feature: str = "summarize", **more: Any
    ) -> httpx.Response:
        """A question; a text stands for an input with that text."""
        asked = {"text": input_} if isinstance(input_, str) else input_
        return self.post(person, {"feature": feature, "input": asked, **more})

    def calls(self) -> list[dict[str, Any]]:
        """What the provider was asked."""
        return self.providers.calls()

    def log(self) -> list[Row]:
        """The log of calls, oldest first."""
        rows = self.world.as_dba("select to_jsonb(r) as row from ai.requests as r order by r.created_at")
        return [row["row"] for row in rows]


def events_of(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        name, data = block.split("\n", 1)
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def said(answer: httpx.Response) -> str:
    """What a stream said."""
    return "".join(data["text"] for name, data in events_of(answer) if name == "delta")
