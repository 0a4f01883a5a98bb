"""What is over is deleted, each at its time."""

import pytest

from tests.jobs.queueing import Queue


@pytest.fixture
def runs(queue: Queue) -> Queue:
    """A schedule whose runs stay for a week."""
    queue.world.as_dba("delete from jobs.schedules")
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, kind, keep_runs) values"
        " ('often', '* * * * *', 'test.sql', '7 days'), ('rarely', '0 0 1 * *', 'test.sql', default)"
    )
    return queue


def ran(queue: Queue, schedule: str, status: str, age: str) -> None:
    queue.world.as_dba(
        "insert into public.job_runs (schedule, slot, kind, job_id, status, error, created_at, finished_at)"
        " select %s, now() - age, 'test.sql', 0, status, case status when 'failed' then 'why' end,"
        " now() - age, case when status <> 'queued' then now() end"
        " from (select %s::interval as age, %s as status) as r",
        schedule, age, status,
    )  # fmt: skip


def left(queue: Queue) -> set[tuple[str, str, int]]:
    """Schedule, status and age in days of the runs that the clean-up leaves."""
    queue.world.as_dba("select jobs.clean_up('{}')")
    return {
        (row["schedule"], row["status"], row["days"])
        for row in queue.world.as_dba(
            "select schedule, status, extract(day from now() - created_at)::integer as days"
            " from public.job_runs"
        )
    }


def test_runs_that_went_well_stay_as_long_as_their_schedule_says(runs: Queue) -> None:
    for schedule in ("often", "rarely", "gone"):
        for age in (6, 8, 399, 401):
            ran(runs, schedule, "done", f"{age} days 1 hour")
    assert left(runs) == {
        ("often", "done", 6),
        *(("rarely", "done", age) for age in (6, 8, 399)),
        *(("gone", "done", age) for age in (6, 8, 399)),
    }


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued"])
def test_runs_that_did_not_go_well_stay_for_the_full_time(runs: Queue, status: str) -> None:
    for age in (8, 399, 401):
        ran(runs, "often", status, f"{age} days 1 hour")
    assert left(runs) == {("often", status, 8), ("often", status, 399)}


def test_a_slot_whose_run_was_deleted_is_still_taken(runs: Queue) -> None:
    fire = "select edge.fire_schedule('often', date_trunc('minute', now()) - interval '8 days')"
    assert runs.ask(fire) == "fired"
    (job,) = runs.claim()
    assert runs.fail(job) == "retry"
    runs.world.as_dba(
        "update public.job_runs"
        " set status = 'done', finished_at = now(), created_at = now() - interval '8 days'"
    )
    assert left(runs) == set()
    assert runs.ask(fire) == "taken"


def test_what_comes_every_minute_is_kept_for_days_only(queue: Queue) -> None:
    frequent = queue.world.as_dba(
        "select name from jobs.schedules where cron like '*%%' and keep_runs > interval '30 days'"
    )
    assert frequent == []
