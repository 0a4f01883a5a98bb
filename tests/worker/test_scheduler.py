"""Schedulers against the database: a slot runs once, a missed one is caught up once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from edge.database import Database
from edge.settings import Secret
from edge.worker.monitor import Monitor
from edge.worker.scheduler import Scheduler
from tests.acting import Row, refused
from tests.jobs.queueing import Queue

SLOT = datetime(2026, 11, 22, 3, tzinfo=UTC)


def fire(queue: Queue, slot: datetime = SLOT) -> str:
    outcome: str = queue.ask("select edge.fire_schedule('hourly', %s)", slot)
    return outcome


def declare(queue: Queue, cron: str = "0 * * * *") -> None:
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, kind, payload, since)"
        " values ('hourly', %s, 'test.sql', '{\"n\": 1}', '2026-01-01')",
        cron,
    )


def runs(queue: Queue) -> list[Row]:
    return queue.world.as_dba("select * from public.job_runs order by slot")


def ticks(queue: Queue, times: int) -> None:
    async def run() -> None:
        database = Database(Secret(queue.service_url), times)
        async with database.opened():
            await asyncio.gather(*(Scheduler(database, Monitor()).tick() for _ in range(times)))

    asyncio.run(run())


def test_two_schedulers_at_the_same_instant_fire_a_slot_once(queue: Queue) -> None:
    declare(queue)
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: fire(queue), range(24)))
    assert sorted(outcomes) == ["fired", *["taken"] * 23]
    assert len(queue.states()) == len(runs(queue)) == 1


def test_a_scheduler_that_does_not_look_meets_the_constraint(queue: Queue) -> None:
    """The control: without the check in the function, one row per slot still holds."""
    declare(queue)
    (row,) = queue.world.as_dba("select pg_get_functiondef('jobs.fire_schedule'::regproc) as source")
    broken = row["source"].replace("return 'taken'", "null")
    assert broken != row["source"]
    queue.world.as_dba(broken)
    assert fire(queue) == "fired"
    with refused("23505"):
        fire(queue)


def test_a_worker_asleep_for_two_days_catches_up_once(queue: Queue) -> None:
    declare(queue)
    queue.world.as_dba("update jobs.schedules set last_slot = date_trunc('hour', now()) - interval '2 days'")
    ticks(queue, 4)
    ticks(queue, 1)
    (run,) = runs(queue)
    assert datetime.now(UTC) - run["slot"] < timedelta(hours=1, minutes=1)


def test_slots_before_the_last_and_slots_to_come_are_not_fired(queue: Queue) -> None:
    declare(queue)
    assert fire(queue) == "fired"
    assert fire(queue, SLOT - timedelta(hours=1)) == "taken"
    assert fire(queue, datetime.now(UTC) + timedelta(hours=1)) == "early"
    queue.world.as_dba("update jobs.schedules set enabled = false")
    assert fire(queue, SLOT + timedelta(hours=1)) == "disabled"
    with refused("not_found"):
        queue.ask("select edge.fire_schedule('nothing', now())")


def test_a_run_is_logged_from_slot_to_counts(queue: Queue) -> None:
    declare(queue)
    fire(queue)
    assert runs(queue)[0]["status"] == "queued"
    (job,) = queue.claim()
    assert job["payload"] == {"n": 1, "schedule": "hourly", "slot": "2026-11-22T03:00:00+00:00"}
    assert runs(queue)[0]["status"] == "running"
    assert queue.run(job) == "done"
    (run,) = runs(queue)
    assert (run["status"], run["counts"], run["error"]) == ("done", {"effects": 1}, None)
    assert run["started_at"] <= run["finished_at"]


def test_a_run_whose_job_dies_says_why(queue: Queue) -> None:
    declare(queue)
    queue.world.as_dba('update jobs.schedules set payload = \'{"n": 1, "error": "no luck"}\'')
    fire(queue)
    while queue.states() and "dead" not in queue.states().values():
        for job in queue.claim():
            queue.run(job)
        queue.pass_time()
    (run,) = runs(queue)
    assert run["status"] == "failed"
    assert "no luck" in run["error"]


def test_a_schedule_that_stopped_firing_is_seen(queue: Queue) -> None:
    declare(queue)
    assert queue.ask("select edge.queue_health()")["late_schedules"] == ["hourly"], "no worker ever saw it"
    ticks(queue, 1)
    assert queue.ask("select edge.queue_health()")["late_schedules"] == []
    queue.world.as_dba("update jobs.schedules set next_slot = now() - interval '6 minutes'")
    assert queue.ask("select edge.queue_health()")["late_schedules"] == ["hourly"]


def test_a_schedule_that_cannot_be_read_stops_no_other(queue: Queue) -> None:
    declare(queue)
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, kind) values ('aaa_broken', 'every day', 'test.sql')"
    )
    ticks(queue, 1)
    assert [run["schedule"] for run in runs(queue)] == ["hourly"]


def test_a_changed_schedule_does_not_catch_up(queue: Queue) -> None:
    declare(queue)
    queue.world.as_dba("update jobs.schedules set cron = '30 * * * *'")
    ticks(queue, 1)
    assert runs(queue) == []


@pytest.mark.parametrize("slot", ["-infinity", "infinity", "0044-03-15 BC", "1999-12-31", None])
def test_slots_of_another_age_are_refused(queue: Queue, slot: str | None) -> None:
    declare(queue)
    with refused("validation_failed", field="slot"):
        queue.ask("select edge.fire_schedule('hourly', %s::timestamptz)", slot)


def test_times_that_no_worker_could_read_are_not_stored(queue: Queue) -> None:
    declare(queue)
    for column in ("since", "last_slot", "next_slot"):
        for time in ("infinity", "-infinity", "0044-03-15 BC", "12000-01-01"):
            with refused("23514"):
                queue.world.as_dba(f"update jobs.schedules set {column} = '{time}'")  # noqa: S608


def test_a_schedule_whose_firing_fails_stops_no_other(queue: Queue) -> None:
    declare(queue)
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, kind, payload, since)"
        " values ('aaa_broken', '0 * * * *', 'test.sql', '{}', '2026-01-01')"
    )
    queue.world.as_dba("alter table public.job_runs add constraint broken check (schedule <> 'aaa_broken')")
    ticks(queue, 1)
    assert [run["schedule"] for run in runs(queue)] == ["hourly"]
