"""pg_cron beside the workers: it is kept in step with the schedules, and a slot still runs once.

The extension is not among what these tests can install. STAND_IN has the table and the functions that
the schedules meet, with pg_cron's signatures, and whatever was registered is executed as it is; what
this does not show is pg_cron's own clock.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.acting import Row, refused
from tests.jobs.queueing import Queue
from tests.worker.test_scheduler import runs, ticks

STAND_IN = """
    create schema cron;
    create table cron.job (
        jobid bigint generated always as identity primary key, schedule text not null, command text not null,
        username text not null default current_user, jobname text, unique (jobname, username)
    );
    create function cron.schedule(
        job_name text, schedule text, command text, database text default null, username text default null,
        active boolean default true
    ) returns bigint language plpgsql as $$
    #variable_conflict use_column
    begin
        if schedule.schedule !~ '^([0-9*/,$-]+ ){4}[0-9*/,-]+$' then
            raise exception 'invalid schedule: %', schedule.schedule;
        end if;
        insert into cron.job (jobname, schedule, command)
        values (job_name, schedule.schedule, schedule.command)
        on conflict (jobname, username) do update
        set schedule = excluded.schedule, command = excluded.command;
        return (select jobid from cron.job where jobname = job_name);
    end $$;
    create function cron.schedule(schedule text, command text) returns bigint language sql as $$
        select 0::bigint $$;
    create function cron.unschedule(job_name text) returns boolean language plpgsql as $$
    begin
        delete from cron.job where jobname = job_name;
        if not found then
            raise exception 'could not find valid entry for job ''%''', job_name;
        end if;
        return true;
    end $$;
    create function cron.unschedule(job_id bigint) returns boolean language sql as $$ select false $$;
"""


@pytest.fixture
def cron(queue: Queue) -> Queue:
    """The queue of a host that has pg_cron."""
    with psycopg.connect(queue.world.database_url) as connection:
        connection.execute(STAND_IN)
    return queue


def declare(queue: Queue, cron: str = "* * * * *", timezone: str = "UTC") -> None:
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, timezone, kind, payload, since)"
        " values ('often', %s, %s, 'test.sql', '{\"n\": 1}', '2026-01-01')",
        cron, timezone,
    )  # fmt: skip


def registered(queue: Queue) -> list[Row]:
    return queue.world.as_dba("select jobname, schedule, command from cron.job order by jobname")


def run_registered(queue: Queue) -> str:
    """Do what pg_cron does when the time has come."""
    (job,) = registered(queue)
    with psycopg.connect(queue.world.database_url) as connection:
        row = connection.execute(job["command"]).fetchone()
    assert row
    outcome: str = row[0]
    return outcome


def change(queue: Queue, statement: LiteralString) -> list[str]:
    """Change the schedule, and return what pg_cron then fires by."""
    queue.world.as_dba(statement)
    return [job["schedule"] for job in registered(queue)]


def test_pg_cron_is_kept_in_step(cron: Queue) -> None:
    declare(cron)
    command = "select jobs.fire_by_pg_cron('often')"
    assert registered(cron) == [{"jobname": "groundwork:often", "schedule": "* * * * *", "command": command}]
    assert change(cron, "update jobs.schedules set cron = '5 3 * * 1-5'") == ["5 3 * * 1-5"]
    assert change(cron, "update jobs.schedules set enabled = false") == []
    assert change(cron, "update jobs.schedules set enabled = true") == ["5 3 * * 1-5"]
    assert change(cron, "update jobs.schedules set name = 'rarely'") == ["5 3 * * 1-5"]
    assert registered(cron)[0]["jobname"] == "groundwork:rarely"
    assert change(cron, "update jobs.schedules set timezone = 'Europe/Berlin'") == []
    assert change(cron, "update jobs.schedules set timezone = 'Etc/UTC'") == ["5 3 * * 1-5"]
    assert change(cron, "delete from jobs.schedules") == []


@pytest.mark.parametrize(
    "expression",
    ["0 0 L * *", "0 3 * * mon", "*/5 * * * * *", "0 3 1 * 1", "5/7 * * * *", "1-9/2 * * * *", "x"],
)
def test_what_crons_read_differently_is_left_to_the_workers(cron: Queue, expression: str) -> None:
    declare(cron, expression)
    assert registered(cron) == []


def test_pg_cron_that_comes_later_learns_all_schedules(queue: Queue) -> None:
    declare(queue)
    with refused("invalid_state"):
        queue.world.as_dba("select jobs.use_pg_cron()")
    with psycopg.connect(queue.world.database_url) as connection:
        connection.execute(STAND_IN)
    assert queue.world.as_dba("select jobs.use_pg_cron()") == [{"use_pg_cron": 1}]
    assert run_registered(queue) == "fired"


def test_a_pg_cron_that_refuses_does_not_stop_the_schedule(cron: Queue) -> None:
    cron.world.as_dba("alter table cron.job add constraint full_up check (jobid < 0)")
    declare(cron)
    assert registered(cron) == []
    ticks(cron, 1)
    assert len(runs(cron)) == 1


def minutes_ago(minutes: int) -> tuple[datetime, str]:
    """A slot of the past, and an expression that has no other today: no turn of a minute disturbs."""
    slot = (datetime.now(UTC) - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    return slot, f"{slot.minute} {slot.hour} * * *"


def test_pg_cron_and_workers_fire_a_slot_once(cron: Queue) -> None:
    slot, expression = minutes_ago(3)
    declare(cron, expression)
    with ThreadPoolExecutor(2) as threads:
        by_pg_cron = threads.submit(lambda: [run_registered(cron) for _ in range(20)])
        by_workers = threads.submit(ticks, cron, 8)
        outcomes = by_pg_cron.result()
        by_workers.result()
    assert outcomes.count("fired") <= 1
    assert set(outcomes) <= {"fired", "taken"}
    assert [run["slot"] for run in runs(cron)] == [slot]
    assert len(cron.states()) == 1


def test_pg_cron_fires_without_any_worker_and_a_worker_later_finds_it_taken(cron: Queue) -> None:
    slot, expression = minutes_ago(1)
    declare(cron, expression)
    assert run_registered(cron) == "fired"
    assert [run["slot"] for run in runs(cron)] == [slot]
    ticks(cron, 1)
    (job,) = cron.claim()
    assert cron.run(job) == "done"
    cron.assert_each_effect_once(1)


def test_late_and_mistaken_calls_fire_no_slot_of_their_own(cron: Queue) -> None:
    """The slot is the schedule's, not the minute in which pg_cron calls."""
    slot, expression = minutes_ago(20)
    declare(cron, expression)
    assert run_registered(cron) == "fired"
    assert run_registered(cron) == "taken"
    assert [run["slot"] for run in runs(cron)] == [slot]

    _, hours_ahead = minutes_ago(-180)
    cron.world.as_dba("update jobs.schedules set cron = %s", hours_ahead)
    assert run_registered(cron) == "early", "pg_cron in a time zone of its own"

    cron.world.as_dba("update jobs.schedules set cron = %s", expression)
    cron.world.as_dba("update jobs.schedules set last_slot = null")
    assert run_registered(cron) == "early", "changed since: nobody's slot"
    cron.world.as_dba("alter table jobs.schedules disable trigger _100_follow_with_pg_cron")
    cron.world.as_dba("update jobs.schedules set enabled = false")
    assert run_registered(cron) == "disabled"


def fields(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    span = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    step = st.integers(1, highest).map("*/{}".format)
    part = st.one_of(st.just("*"), number.map(str), span, step)
    return st.lists(part, min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.one_of(
    st.tuples(fields(0, 59), fields(0, 23), st.just("*"), fields(1, 12), fields(0, 7)),
    st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), st.just("*")),
).map(" ".join)


def test_sql_reads_plain_expressions_as_the_workers_do(queue: Queue) -> None:
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(EXPRESSIONS, st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)))
    @example("0 3 * * 7", datetime(2026, 11, 22, 3, 30, tzinfo=UTC))
    @example("0 3 29 2 *", datetime(2028, 2, 29, 3, 59, 59, tzinfo=UTC))
    @example("* * * * *", datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    def agree(expression: str, now: datetime) -> None:
        row = connection.execute(
            "select jobs.is_plain(%(cron)s, 'UTC'), jobs.latest_slot(%(cron)s, %(now)s)",
            {"cron": expression, "now": now},
        ).fetchone()
        minute = now.replace(second=0, microsecond=0)
        expected = next(CronSim(expression, minute + timedelta(minutes=1), reverse=True), None)
        assert row == (True, expected if expected and expected >= minute - timedelta(hours=1) else None)

    with psycopg.connect(queue.world.database_url) as connection:
        agree()
