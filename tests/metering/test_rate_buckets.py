"""Buckets: `burst` at once, `rate` per second, and never more, however many take at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acting import World, refused

TAKERS = 6
RATE, BURST = 40.0, 60

UNLOCKED = """
    create function metering.unlocked_take(key text, rate double precision, burst integer) returns boolean
    language plpgsql volatile set search_path = '' as $$
    declare
        v_full_at timestamptz := coalesce(
            (select b.full_at from metering.buckets as b where b.key = unlocked_take.key), clock_timestamp()
        );
    begin
        if v_full_at > clock_timestamp() + metering.step(rate) * (burst - 1) then
            return false;
        end if;
        perform pg_sleep(0.001);
        insert into metering.buckets as b (key, full_at)
        values (unlocked_take.key, greatest(v_full_at, clock_timestamp()) + metering.step(rate))
        on conflict on constraint buckets_pkey do update set full_at = excluded.full_at;
        return true;
    end
    $$
"""
"""What looks first and takes later: each of several takers finds the same token."""


@dataclass(frozen=True)
class Rush:
    """How many tokens were granted from the first call to the refusal that ended it."""

    granted: int
    longest: timedelta
    """Since before the first call."""
    shortest: timedelta
    """Since the bucket was certainly no longer full, to before the last call."""

    def most(self) -> float:
        return BURST + RATE * self.longest.total_seconds()

    def fewest(self) -> float:
        return BURST + RATE * self.shortest.total_seconds() - 1


def rush(world: World, take: LiteralString) -> Rush:
    """Several connections take as fast as they can for a while; then one empties what is left."""

    def asked(connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute(f"select metering.{take}('rush', {RATE}, {BURST}) as taken").fetchone()
        assert row
        return bool(row[0])

    def clock(connection: psycopg.Connection[Any]) -> datetime:
        row = connection.execute("select clock_timestamp()").fetchone()
        assert row
        now: datetime = row[0]
        return now

    def hammer(connection: psycopg.Connection[Any]) -> int:
        return sum(asked(connection) for _ in range(2 * BURST))

    with ExitStack() as stack:
        connection, *takers = [
            stack.enter_context(psycopg.connect(world.database_url, autocommit=True))
            for _ in range(TAKERS + 1)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(TAKERS))
        before = clock(connection)
        granted = sum(asked(connection) for _ in range(BURST // 2))
        after = clock(connection)
        granted += sum(threads.map(hammer, takers))
        while True:
            last = clock(connection)
            if not asked(connection):
                return Rush(granted, clock(connection) - before, last - after)
            granted += 1


def test_parallel_takers_get_burst_and_rate_to_the_token(world: World) -> None:
    result = rush(world, "take")
    assert result.fewest() <= result.granted <= result.most()


def test_a_bucket_that_is_read_before_it_is_taken_from_grants_too_much(world: World) -> None:
    world.as_dba(UNLOCKED)
    result = rush(world, "unlocked_take")
    assert result.granted > result.most(), "the count above would not notice"


@st.composite
def _stories(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    burst = draw(st.integers(1, 12))
    step = st.tuples(st.integers(0, 4 * burst + 8), st.integers(1, burst))
    return burst, draw(st.lists(step, min_size=1, max_size=25))


def test_it_does_what_a_bucket_does(world: World) -> None:
    """Against a model in quarters of a step, each of 250 s: what the test itself takes does not count."""
    rate = 0.001
    quarter = timedelta(seconds=250)

    @settings(
        max_examples=40, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    @given(_stories())
    def behaves(story: tuple[int, list[tuple[int, int]]]) -> None:
        burst, steps = story
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            connection.execute("delete from metering.buckets")

            def ask(query: LiteralString, *parameters: object) -> Any:
                row = connection.execute(query, parameters).fetchone()
                assert row
                return row[0]

            missing = 0  # quarters until the bucket is full
            for waited, amount in steps:
                connection.execute("update metering.buckets set full_at = full_at - %s", [waited * quarter])
                missing = max(missing - waited, 0)
                short = missing + 4 * amount - 4 * burst
                wait = ask("select metering.wait_time('k', %s, %s, %s)", rate, burst, amount)
                assert round(wait / quarter) == max(short, 0)
                assert ask("select metering.take('k', %s, %s, %s)", rate, burst, amount) is (short <= 0)
                if short <= 0:
                    missing += 4 * amount

    behaves()


def test_a_burst_is_whole_whatever_the_rate(world: World) -> None:
    for rate in (0.3, 1.5, 3.0, 7.0, 333.0):
        (row,) = world.as_dba(
            "select bool_and(metering.take(%s::text, %s, 500)) as whole from generate_series(1, 500)",
            rate,
            rate,
        )
        assert row["whole"], rate


def full_in(world: World, **time: float) -> None:
    """Say when the bucket will be full: further ahead than it can be, the clock was set back."""
    world.as_dba(
        "insert into metering.buckets values ('k', clock_timestamp() + %s)"
        " on conflict on constraint buckets_pkey do update set full_at = excluded.full_at",
        timedelta(**time),
    )


def taken(world: World, burst: int = 10, amount: int = 1) -> bool:
    (row,) = world.as_dba("select metering.take('k', 0.01, %s, %s) as taken", burst, amount)
    return bool(row["taken"])


def wait(world: World, burst: int = 10, amount: int = 1) -> float:
    (row,) = world.as_dba("select metering.wait_time('k', 0.01, %s, %s) as wait", burst, amount)
    seconds: float = row["wait"].total_seconds()
    return seconds


def test_a_clock_that_was_set_back_locks_nobody_out_and_gives_nothing_away(world: World) -> None:
    full_in(world, days=3)
    assert wait(world) == 0
    assert taken(world), "one is let through"
    assert not taken(world), "and the bucket is empty"
    assert 0 < wait(world) <= 100, "until the next step, not for three days"


def test_a_clock_that_was_set_back_a_little_is_waited_for(world: World) -> None:
    full_in(world, seconds=1000 + 30)
    assert not taken(world)
    assert 100 < wait(world) <= 130


def test_a_limit_that_was_lowered_counts_from_then_on(world: World) -> None:
    assert taken(world, burst=10, amount=10)
    assert taken(world, burst=2), "as after a clock that was set back"
    assert not taken(world, burst=2)
    assert wait(world, burst=2) <= 100


def test_a_clock_that_was_set_forward_fills_the_bucket_and_no_more(world: World) -> None:
    full_in(world, days=-3)
    assert taken(world, amount=10)
    assert not taken(world)


def test_what_is_no_bucket_is_refused(world: World) -> None:
    cases: list[tuple[LiteralString, str]] = [
        ("null, 1, 1, 1", "key"),
        ("'k', null, 1, 1", "rate"),
        ("'k', 0, 1, 1", "rate"),
        ("'k', 'nan', 1, 1", "rate"),
        ("'k', 'infinity', 1, 1", "rate"),
        ("'k', 1, null, 1", "burst"),
        ("'k', 1, 0, 1", "burst"),
        ("'k', 0.000001, 1000000, 1", "burst"),
        ("'k', 1, 5, null", "amount"),
        ("'k', 1, 5, 0", "amount"),
        ("'k', 1, 5, 6", "amount"),
        ("repeat('k', 401), 1, 1, 1", "key"),
    ]
    for arguments, field in cases:
        with refused("validation_failed", field=field):
            world.as_dba(f"select metering.take({arguments})")
        with refused("validation_failed", field=field):
            world.as_dba(f"select metering.wait_time({arguments})")


def test_the_job_forgets_buckets_that_are_full_and_no_others(world: World) -> None:
    now = datetime.now(UTC)
    world.as_dba(
        "insert into metering.buckets values ('full', %s), ('just full', %s), ('used', %s)",
        now - timedelta(hours=1), now, now + timedelta(hours=1),
    )  # fmt: skip
    (row,) = world.as_dba("select metering.forget_full_buckets('{}') as answer")
    assert row["answer"] == {"buckets": 1}
    left = world.as_dba("select key from metering.buckets order by key")
    assert [row["key"] for row in left] == ["just full", "used"]


def test_the_job_goes_around_a_bucket_in_use(world: World) -> None:
    full_in(world, hours=-1)
    with psycopg.connect(world.database_url) as taker:
        taker.execute("select metering.take('k', 0.01, 10)")
        world.as_dba("set lock_timeout = '2s'; select metering.forget_full_buckets('{}')")
    assert not taken(world, amount=10), "what was taken meanwhile is not forgotten"


def test_the_job_runs_by_the_clock(world: World) -> None:
    (row,) = world.as_dba(
        "select k.handler, s.cron from jobs.schedules as s join jobs.kinds as k on s.kind = k.kind"
        " where k.sql_function = 'metering.forget_full_buckets'"
    )
    assert row == {"handler": "sql", "cron": "*/10 * * * *"}
