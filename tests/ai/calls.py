"""AI calls as the edge makes them: on behalf of a person, and as the service that reports."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.acting import Caller, Person, Row, World
from tests.connections import connected

LEASE = "15 seconds"
TOKENS = {"input_tokens": 200, "output_tokens": 20}


def start(
    person: Caller,
    input_: Any = "A text.",
    *,
    feature: str = "summarize",
    key: str | None = None,
    lease: str = LEASE,
) -> Row:
    """Ask; a text stands for an input with that text."""
    asked = {"text": input_} if isinstance(input_, str) else input_
    row = person.row(
        "select edge.start_completion(%s::text, %s::jsonb, %s::text, %s::interval) as answer",
        feature, json.dumps(asked), key, lease,
    )  # fmt: skip
    answer: Row = row["answer"]
    return answer


def follow(person: Caller, request_id: str) -> Row:
    """What became of a flight."""
    answer: Row = person.row("select edge.follow_completion(%s::uuid) as answer", request_id)["answer"]
    return answer


class Edge:
    """The edge's own credential."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _call(self, query: Any, *parameters: object) -> Any:
        with connected(self._url) as connection:
            row = connection.execute(query, parameters).fetchone()
            return row["answer"] if row else None

    def renew(self, request_id: str, lease: str = LEASE) -> bool:
        renewed: bool = self._call(
            "select edge.renew_completion(%s::uuid, %s::interval) as answer", request_id, lease
        )
        return renewed

    def finish(
        self,
        request_id: str,
        output: str = "An answer.",
        tokens: Any = TOKENS,
        *,
        is_cut: bool = False,
        lost: int = 0,
    ) -> Row:
        answer: Row = self._call(
            "select edge.finish_completion(%s::uuid, %s, %s, %s::jsonb, %s, 120) as answer",
            request_id, output, is_cut, json.dumps(tokens), lost,
        )  # fmt: skip
        return answer

    def fail(
        self,
        request_id: str,
        reason: str = "overloaded",
        tokens: Any = None,
        *,
        lost: int = 0,
        declined: bool = False,
    ) -> None:
        self._call(
            "select edge.fail_completion(%s::uuid, %s, %s::jsonb, %s, %s, 120) as answer",
            request_id, reason, json.dumps(tokens) if tokens is not None else None, lost, declined,
        )  # fmt: skip


def answered(
    person: Caller, edge: Edge, input_: Any = "A text.", output: str = "An answer.", **more: Any
) -> Row:
    """A first call, from start to finish."""
    led = start(person, input_, **more)
    assert led["state"] == "lead", led
    return edge.finish(led["request_id"], output)


def usage(person: Person) -> Row:
    """Where somebody stands with AI: count, held and the money of both."""
    rows = person.rows("select count, held, cost_micros, held_cost_micros from usage where action = 'ai'")
    return rows[0] if rows else {"count": 0, "held": 0, "cost_micros": 0, "held_cost_micros": 0}


def spending(world: World) -> tuple[int, int]:
    """What the installation spent and what it holds."""
    rows = world.as_dba("select cost_micros, held_cost_micros from metering.spending where action = 'ai'")
    return (rows[0]["cost_micros"], rows[0]["held_cost_micros"]) if rows else (0, 0)


def logged(world: World, *columns: str) -> list[Row]:
    """The log, oldest first."""
    rows = world.as_dba("select to_jsonb(r) as row from ai.requests as r order by r.created_at")
    return [{column: row["row"][column] for column in columns} for row in rows]


def pro(world: World, person: Person) -> None:
    """Allow somebody more than a free plan does."""
    world.as_dba(
        "insert into metering.overrides (user_id, action, hard_limit, cost_limit_micros, reason)"
        " values (%s, 'ai', 1000, 20000000, 'a test')",
        person.id,
    )


def answered_by(world: World, provider: str) -> None:
    """Have this provider summarize."""
    world.as_dba(
        "update ai.features set provider = c.provider, model = c.model, parameters = c.parameters"
        " from ai.features as c where ai.features.feature = 'summarize' and c.provider = %s",
        provider,
    )


def project(person: Person, name: str = "Rocket", organization: uuid.UUID | None = None) -> str:
    """A project of theirs."""
    return str(
        person.row(
            "insert into projects (name, organization_id) values (%s, %s) returning id", name, organization
        )["id"]
    )
