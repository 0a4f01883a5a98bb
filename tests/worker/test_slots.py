"""Which slot is due: month ends, time zones, long sleep. Pure functions of the database's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from edge.worker.scheduler import Schedule, ScheduleError, due_slot, next_slot


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(cron: str, as_of: str, last: str | None = None, timezone: str = "UTC") -> Schedule:
    return Schedule(
        name="s",
        cron=cron,
        timezone=timezone,
        last_slot=at(last) if last else None,
        since=at("2020-01-01 00:00"),
        as_of=at(as_of),
    )


@pytest.mark.parametrize(
    ("cron", "as_of", "last", "due"),
    [
        ("0 3 * * *", "2026-03-01 03:00:00", "2026-02-28 03:00", "2026-03-01 03:00"),
        ("0 3 * * *", "2026-03-01 02:59:59", "2026-02-28 03:00", None),
        ("0 3 * * *", "2026-03-01 03:00:00", "2026-03-01 03:00", None),
        ("0 3 * * *", "2027-01-01 03:00:07", "2026-12-31 03:00", "2027-01-01 03:00"),
        ("0 0 L * *", "2028-02-29 00:00:00", "2028-01-31 00:00", "2028-02-29 00:00"),
        ("0 0 31 * *", "2026-05-01 00:00:00", "2026-03-31 00:00", None),
        ("0 0 31 * *", "2026-05-31 00:00:30", "2026-03-31 00:00", "2026-05-31 00:00"),
        ("0 0 29 2 *", "2027-03-01 00:00:00", "2024-02-29 00:00", None),
        # two days asleep: the last of 48 slots
        ("0 * * * *", "2026-11-22 12:30:00", "2026-11-20 12:00", "2026-11-22 12:00"),
    ],
)
def test_the_latest_missed_slot_is_due_once(cron: str, as_of: str, last: str | None, due: str | None) -> None:
    assert due_slot(schedule(cron, as_of, last)) == (at(due) if due else None)


def test_slots_follow_their_time_zone_through_the_change_of_clocks() -> None:
    before = schedule("0 3 * * *", "2026-03-28 02:00", timezone="Europe/Berlin")
    after = schedule("0 3 * * *", "2026-03-29 02:00", timezone="Europe/Berlin")
    assert due_slot(before) == at("2026-03-28 02:00")
    assert due_slot(after) == at("2026-03-29 01:00")


def test_a_new_schedule_has_no_past() -> None:
    new = Schedule(
        name="s",
        cron="0 3 * * *",
        timezone="UTC",
        last_slot=None,
        since=at("2026-11-22 12:00"),
        as_of=at("2026-11-22 12:00") + timedelta(minutes=1),
    )
    assert due_slot(new) is None
    assert next_slot(new) == at("2026-11-23 03:00")


@pytest.mark.parametrize(
    ("cron", "timezone"), [("61 * * * *", "UTC"), ("0 0 30 2 *", "UTC"), ("no", "UTC"), ("0 3 * * *", "Mars")]
)
def test_what_cannot_be_read_is_said(cron: str, timezone: str) -> None:
    with pytest.raises(ScheduleError):
        due_slot(schedule(cron, "2026-11-22 12:00", timezone=timezone))


@pytest.mark.parametrize("as_of", ["2026-11-01 06:10", "2026-11-01 06:30", "2026-11-01 06:50"])
def test_an_hour_that_the_clocks_repeat_has_its_slots_once(as_of: str) -> None:
    """In New York, 1:30 comes at 5:30 UTC, and again at 6:30."""
    fired = schedule("30 1 * * *", as_of, "2026-11-01 05:30", "America/New_York")
    assert due_slot(fired) is None
    assert next_slot(fired) == at("2026-11-02 06:30")
    missed = schedule("30 1 * * *", as_of, "2026-10-31 05:30", "America/New_York")
    assert due_slot(missed) == at("2026-11-01 05:30")
