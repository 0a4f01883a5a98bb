"""What people and back offices do with what is metered, and what only time does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.acting import Person, Row, World
from tests.connections import connected

CONNECTIONS = 24
"""So many at once: more only wait for the same two cores."""


@dataclass(frozen=True)
class Meter:
    """The meters of one world."""

    world: World

    def consume(self, person: Person, action: str = "export", amount: int = 1, key: str | None = None) -> Row:
        return person.row("select * from consume_usage(%s, %s, %s)", action, amount, key)

    def reserve(  # noqa: PLR0913 - the RPC has them
        self,
        person: Person,
        amount: int = 1,
        *,
        action: str = "export",
        key: str | None = None,
        seconds: int = 300,
        cost: int = 0,
    ) -> uuid.UUID:
        """As a back office, before it works for somebody."""
        id_: uuid.UUID = self.world.service.row(
            "select reserve_usage(%s, %s, %s, %s, %s, %s) as id",
            person.id, action, amount, key, seconds, cost,
        )["id"]  # fmt: skip
        return id_

    def settle(self, reservation: uuid.UUID, amount: int | None = None, cost: int = 0) -> Row:
        return self.world.service.row("select * from settle_usage(%s, %s, %s)", reservation, amount, cost)

    def release(self, reservation: uuid.UUID) -> None:
        self.world.service.rows("select release_usage(%s)", reservation)

    def limit(
        self, person: Person, hard: int | None, *, action: str = "export", soft: int | None = None,
        cost: int | None = None,
    ) -> None:  # fmt: skip
        """Instead of what the plan says."""
        self.world.as_dba(
            "insert into metering.overrides"
            " (user_id, action, hard_limit, soft_limit, cost_limit_micros, reason)"
            " values (%s, %s, %s, %s, %s, 'test') on conflict (user_id, action) do update set"
            " hard_limit = excluded.hard_limit, soft_limit = excluded.soft_limit,"
            " cost_limit_micros = excluded.cost_limit_micros, expires_at = null",
            person.id, action, hard, soft, cost,
        )  # fmt: skip

    def usage(self, person: Person, action: str = "export") -> Row:
        """What `my_usage` says."""
        return person.row("select * from my_usage() where action = %s", action)

    def counted(self, person: Person, action: str = "export") -> tuple[int, int]:
        """Used and held."""
        usage = self.usage(person, action)
        return usage["used"], usage["held"]

    def let_holds_expire(self) -> None:
        """What two hours do to all holds: no test waits for them, and no code has a clock to set."""
        with connected(self.world.superuser_url) as superuser:
            superuser.execute("set local session_replication_role = replica")
            superuser.execute(
                "update metering.reservations set created_at = created_at - interval '2 hours',"
                " expires_at = expires_at - interval '2 hours' where status = 'held'"
            )

    def let_a_month_pass(self, *people: uuid.UUID) -> None:
        """What the end of a month does: everything that these people did was a month earlier."""
        with connected(self.world.superuser_url) as superuser:
            superuser.execute("set local session_replication_role = replica")
            months = superuser.execute("select distinct month from public.usage order by month").fetchall()
            for month in months:
                superuser.execute(
                    "update public.usage set month = (month - interval '1 month')::date"
                    " where month = %s and user_id = any (%s)",
                    [month["month"], list(people)],
                )
            superuser.execute(
                "update metering.reservations set month = (month - interval '1 month')::date"
                " where user_id = any (%s)",
                [list(people)],
            )
            superuser.execute("delete from metering.spending")
            superuser.execute(
                "insert into metering.spending"
                " select action, month, sum(cost_micros), sum(held_cost_micros) from public.usage"
                " where cost_micros + held_cost_micros > 0 group by action, month"
            )

    def assert_sound(self) -> None:
        """Holds and money add up to what is kept of them, and nothing is below zero."""
        assert self.world.as_dba(
            "select u.user_id, u.action, u.month, u.held, u.held_cost_micros, h.amount, h.cost_micros"
            " from public.usage as u left join lateral (select coalesce(sum(r.amount), 0) as amount,"
            " coalesce(sum(r.cost_micros), 0) as cost_micros from metering.reservations as r"
            " where (r.user_id, r.action, r.month, r.status) = (u.user_id, u.action, u.month, 'held')"
            ") as h on true"
            " where (u.held, u.held_cost_micros) is distinct from (h.amount, h.cost_micros)"
        ) == []  # fmt: skip
        assert self.world.as_dba(
            "select action, month, sum(cost_micros), sum(held_cost_micros) from (select action, month,"
            " cost_micros, held_cost_micros from public.usage union all"
            " select action, month, -cost_micros, -held_cost_micros from metering.spending) as s"
            " group by action, month having (sum(cost_micros), sum(held_cost_micros)) <> (0, 0)"
        ) == []  # fmt: skip


def refusal(call: Callable[[], object]) -> str | None:
    """The code of the catalogue that a call was refused with; null if it succeeded."""
    try:
        call()
    except psycopg.Error as error:
        return error.diag.message_primary
    return None


def at_once(calls: Iterable[Callable[[], object]]) -> list[str | None]:
    """Each on a connection of its own; how each was refused, or not."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return list(threads.map(refusal, calls))


def replaced(world: World, function: str, right: str, wrong: str) -> None:
    """A function that does something else: what the tests must notice."""
    (row,) = world.as_dba("select pg_get_functiondef(%s::regprocedure) as source", function)
    source: Any = row["source"]
    assert right in source
    with psycopg.connect(world.database_url) as owner:
        owner.execute(source.replace(right, wrong).encode())
