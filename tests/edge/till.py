"""A shop at the edge: what it sells, who pays, and what Stripe has of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.stripe_sim.process import Sim

Answer = httpx.Response


@dataclass
class Till:
    """Asks the edge as a person; `client` may be another edge from one request to the next."""

    client: TestClient[ASGIApp] | httpx.Client
    world: World
    auth: AuthServer
    sim: Sim
    prices: dict[int, str] = field(default_factory=dict)

    def price(self, amount: int = 2000) -> str:
        """The id of a price of a mug, in cents."""
        if amount not in self.prices:
            (row,) = self.world.as_dba(
                "with made as (insert into products (name) values ('Mug') returning id)"
                " insert into prices (product_id, currency, unit_amount) select id, 'USD', %s from made"
                " returning id::text",
                amount,
            )
            self.prices[amount] = row["id"]
        return self.prices[amount]

    def order(self, *, amount: int = 2000, quantity: int = 2, **more: Any) -> dict[str, Any]:
        """The body of an order of some mugs."""
        return {"items": [{"price_id": self.price(amount), "quantity": quantity}], **more}

    def ask(self, person: Person | uuid.UUID, route: str, body: Any = None) -> Answer:
        """Post to a route below /v1 as somebody."""
        id_ = person.id if isinstance(person, Person) else person
        headers = {"Authorization": f"Bearer {self.auth.token(id_)}"}
        if body is None:
            return self.client.post(f"/v1/{route}", headers=headers)
        if isinstance(body, bytes):
            headers["content-type"] = "application/json"
            return self.client.post(f"/v1/{route}", headers=headers, content=body)
        return self.client.post(f"/v1/{route}", headers=headers, json=body)

    def made(self, kind: str) -> list[dict[str, Any]]:
        """What Stripe has of a kind."""
        found: list[dict[str, Any]] = self.sim.state()["objects"][kind]
        return found

    def orders(self, person: Person) -> list[dict[str, Any]]:
        return person.rows("select id::text, status, total from orders order by created_at")


def ok(answer: Answer) -> dict[str, Any]:
    """The body of a success."""
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The body of a failure of this kind, with nothing internal in it."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "cus_" not in answer.text
    assert "cs_test" not in answer.text
    body: dict[str, Any] = answer.json()
    return body
