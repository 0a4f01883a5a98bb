"""Schedules: which slot came last, which comes next, and telling Postgres, which decides who was first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog
from cronsim import CronSim, CronSimError

from edge.database import Database
from edge.worker import queries
from edge.worker.monitor import Monitor
from edge.worker.persistence import Unanswered

LONGEST_PAUSE: Final = 10.0
"""Seconds after which changed schedules are seen at the latest."""

_log = structlog.get_logger("edge.worker.scheduler")


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch, as of the database's clock."""

    name: str
    cron: str
    timezone: str
    last_slot: datetime | None
    since: datetime
    as_of: datetime


class ScheduleError(ValueError):
    """The expression or the time zone of a schedule cannot be read."""


def due_slot(schedule: Schedule) -> datetime | None:
    """The latest slot that has come and was not fired: one, however many were missed before it."""
    seen = max(schedule.last_slot or schedule.since, schedule.since)
    # Slots are whole seconds; the search excludes where it starts. In the second pass of an hour that
    # the clocks repeat, it starts behind that hour, or it would miss the slots of the first.
    is_repeated = schedule.as_of.astimezone(_zone(schedule)).fold
    start = schedule.as_of + timedelta(minutes=61 if is_repeated else 1)
    slot = next((slot for slot in _slots(schedule, start, reverse=True) if slot <= schedule.as_of), None)
    return slot if slot is not None and slot > seen else None


def next_slot(schedule: Schedule) -> datetime | None:
    """The first slot that is still to come; None for a date that does not exist."""
    # A slot of the first pass of a repeated hour would be found again in the second.
    return next((slot for slot in _slots(schedule, schedule.as_of) if slot > schedule.as_of), None)


def _slots(schedule: Schedule, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    try:
        slots = CronSim(schedule.cron, start.astimezone(_zone(schedule)).replace(microsecond=0), reverse)
    except (CronSimError, ValueError) as error:
        raise ScheduleError(f"{schedule.cron!r} in {schedule.timezone!r}: {error}") from error
    for slot in slots:
        yield slot.astimezone(UTC)


def _zone(schedule: Schedule) -> ZoneInfo:
    try:
        return ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"{schedule.timezone!r} is no time zone: {error}") from error


class Scheduler:
    """Watches all schedules; any number may do so at once."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._service = database.as_service()
        self._monitor = monitor

    async def run(self) -> None:
        """Fire slots as they come, forever."""
        while True:
            pause = LONGEST_PAUSE
            try:
                pause = await self.tick()
            except Unanswered as error:
                _log.warning("cannot_watch", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(pause)

    async def tick(self) -> float:
        """Fire what is due; returns the seconds after which to look again."""
        rows = await self._service.call(queries.SCHEDULES)
        pause = LONGEST_PAUSE
        for row in rows:
            try:
                pause = min(pause, await self._look_at(msgspec.convert(row, Schedule)))
            except (ScheduleError, msgspec.ValidationError) as error:
                _log.error("unreadable_schedule", schedule=row["name"], reason=str(error))
            except Unanswered as error:
                _log.warning("cannot_fire", schedule=row["name"], reason=f"{type(error).__name__}: {error}")
        return max(pause, 0.05)

    async def _look_at(self, schedule: Schedule) -> float:
        due, coming = due_slot(schedule), next_slot(schedule)
        if due:
            outcome = await self._service.call(queries.FIRE_SCHEDULE, {"name": schedule.name, "slot": due})
            self._monitor.fired(schedule.name, outcome)
            _log.info("slot", schedule=schedule.name, slot=due.isoformat(), outcome=outcome)
        await self._service.call(queries.PLAN_SCHEDULE, {"name": schedule.name, "next_slot": coming})
        return (coming - schedule.as_of).total_seconds() if coming else LONGEST_PAUSE
