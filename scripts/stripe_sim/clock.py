"""Time that tests can move."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime

DAY = 86_400
HOUR = 3600


class Clock:
    """The machine's time plus an offset, or frozen; it never goes back by itself."""

    def __init__(self, machine: Callable[[], float], *, frozen: int | None = None, offset: int = 0) -> None:
        self._machine = machine
        self.frozen = frozen
        self.offset = offset
        self._moment: int | None = None

    def now(self) -> int:
        """Unix seconds."""
        if self._moment is not None:
            return self._moment
        return self.frozen if self.frozen is not None else int(self._machine()) + self.offset

    def pretend(self, moment: int | None) -> None:
        """It is this moment, until told otherwise: when something happens that was due earlier."""
        self._moment = moment

    def move_to(self, moment: int) -> None:
        """Go on from this moment."""
        if self.frozen is not None:
            self.frozen = moment
        else:
            self.offset += moment - self.now()


def add_interval(moment: int, interval: str, count: int, anchor: int) -> int:
    """The end of the period that begins now; months end on the anchor's day, or on their last."""
    if interval in {"day", "week"}:
        return moment + count * DAY * (7 if interval == "week" else 1)
    start, anchored = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(anchor, UTC)
    months = start.year * 12 + start.month - 1 + count * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    day = min(anchored.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())
