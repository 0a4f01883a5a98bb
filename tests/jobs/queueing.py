"""Acting on the queue: as code that stages work, and as the worker's login."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from tests.acting import Row, World
from tests.connections import connected

EFFECTS = """
    create table jobs.effects (n integer not null);
    create function jobs.take_effect(payload jsonb) returns jsonb
    language plpgsql volatile set search_path = '' as $$
    begin
        insert into jobs.effects values ((payload ->> 'n')::integer);
        perform pg_sleep(coalesce((payload ->> 'seconds')::numeric, 0));
        if payload ? 'not_yet' then
            perform jobs.not_yet('a dependency', '0');
        end if;
        if payload ? 'error' then
            raise exception '%', payload ->> 'error';
        end if;
        return jsonb_build_object('effects', 1);
    end
    $$;
    create function edge.record_effect(id bigint, lease bigint, n integer) returns void
    language plpgsql volatile security definer set search_path = '' as $$
    begin
        insert into jobs.effects values (n);
        perform jobs.finish(id, lease);
    end
    $$;
    create function edge.record_effect_unfenced(id bigint, lease bigint, n integer) returns void
    language plpgsql volatile security definer set search_path = '' as $$
    begin
        insert into jobs.effects values (n);
        perform edge.complete_jobs(array[id], array[lease]);
    end
    $$;
    create function edge.record_effect_alone(n integer) returns void
    language sql volatile security definer set search_path = '' as $$ insert into jobs.effects values (n) $$;
    grant execute on function edge.record_effect(bigint, bigint, integer) to edge_service;
    grant execute on function edge.record_effect_unfenced(bigint, bigint, integer) to edge_service;
    grant execute on function edge.record_effect_alone(integer) to edge_service;
    insert into jobs.kinds
    (kind, handler, sql_function, max_attempts, lease_seconds, backoff_seconds, description) values
    ('test.sql', 'sql', 'jobs.take_effect', 3, 2, 0.01, 'An effect by SQL.'),
    ('test.python', 'python', null, 3, 2, 0.01, 'An effect by a handler.');
"""
"""Kinds whose effect, a row, shows how often it was taken; nothing unique hides a second time."""


@dataclass(frozen=True)
class Queue:
    """The queue of one world."""

    world: World
    service_url: str

    def call(self, query: LiteralString, *parameters: object) -> list[Row]:
        """A statement of edge_service, in its own transaction."""
        with connected(self.service_url) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def ask(self, query: LiteralString, *parameters: object) -> Any:
        """Its single value."""
        (row,) = self.call(query, *parameters)
        (value,) = row.values()
        return value

    def stage(self, kind: str = "test.python", payload: Row | None = None, **options: object) -> int:
        """Enqueue one job, committed."""
        named = "".join(f", {name} => %({name})s" for name in options)
        with connected(self.world.database_url) as connection:
            cursor = connection.execute(
                f"select jobs.enqueue(%(kind)s, %(payload)s{named})".encode(),
                {"kind": kind, "payload": json.dumps(payload or {}), **options},
            )
            row = cursor.fetchone()
        assert row
        id_: int = row["enqueue"]
        return id_

    def stage_effects(self, count: int, kind: str = "test.python", **payload: object) -> None:
        """Jobs with the effects 1 to count."""
        self.world.as_dba(
            "select jobs.enqueue_all(%s, array(select jsonb_build_object('n', g) || %s::jsonb"
            " from generate_series(1, %s) as g))",
            kind, json.dumps(payload), count,
        )  # fmt: skip

    def claim(self, batch: int = 1) -> list[Row]:
        return self.call("select * from edge.claim_jobs('a test', %s)", batch)

    def complete(self, *jobs: Row) -> list[int]:
        """The ids whose lease was lost."""
        lost: list[int] = self.ask("select edge.complete_jobs(%s, %s)", *_held(jobs))
        return lost

    def heartbeat(self, *jobs: Row) -> list[int]:
        lost: list[int] = self.ask("select edge.heartbeat(%s, %s)", *_held(jobs))
        return lost

    def release(self, *jobs: Row) -> None:
        self.call("select edge.release_jobs(%s, %s)", *_held(jobs))

    def run(self, job: Row) -> Any:
        return self.ask("select edge.run_job(%s, %s)", job["id"], job["lease"])

    def fail(self, job: Row, error: str = "it broke") -> Any:
        return self.ask("select edge.fail_job(%s, %s, %s)", job["id"], job["lease"], error)

    def later(self, job: Row, seconds: float = 0) -> Any:
        return self.ask("select edge.retry_later(%s, %s, 'not here', %s)", job["id"], job["lease"], seconds)

    def reap(self) -> Row:
        counts: Row = self.ask("select edge.reap()")
        return counts

    def expire_leases(self) -> None:
        """As if every worker had been silent for too long."""
        self.world.as_dba(
            "update jobs.queue set leased_until = now() - interval '1 second' where state = 'running'"
        )

    def pass_time(self) -> None:
        """As if everything scheduled were due."""
        self.world.as_dba("update jobs.queue set run_at = now(), turn = now() where state = 'scheduled'")

    def states(self) -> dict[int, str]:
        """Of every job that is kept."""
        return {row["id"]: row["state"] for row in self.world.as_dba("select id, state from jobs.overview")}

    def job(self, id_: int) -> Row:
        (row,) = self.world.as_dba("select * from jobs.overview where id = %s", id_)
        return row

    def effects(self) -> list[int]:
        return [row["n"] for row in self.world.as_dba("select n from jobs.effects order by n")]

    def assert_each_effect_once(self, count: int) -> None:
        """The promise: no job lost, none done twice, nothing left over."""
        effects, left = self.effects(), self.states()
        assert effects == list(range(1, count + 1)), f"{len(effects)} effects of {count} jobs"
        assert left == {}, f"left over: {left}"


def _held(jobs: Sequence[Row]) -> tuple[list[int], list[int]]:
    return [job["id"] for job in jobs], [job["lease"] for job in jobs]
