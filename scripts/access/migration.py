"""Migration files: their names, and which of them are stamped from policy files."""

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts.access.sql import SqlError

_NAME = re.compile(r"(?P<version>\d{14})_(?P<domain>[a-z]+)_(?P<concept>[a-z0-9_]+)\.sql")
_VERSION = "%Y%m%d%H%M%S"


@dataclass(frozen=True, order=True)
class Migration:
    """One `<version>_<domain>_<concept>.sql`."""

    version: str
    domain: str
    concept: str
    path: Path

    @property
    def is_stamped(self) -> bool:
        return self.concept == "access"

    @property
    def text(self) -> str:
        return self.path.read_text()


def read(directory: Path) -> list[Migration]:
    """Every migration in order; raises SqlError for a file whose name does not say when, where and what."""
    if not directory.is_dir():
        raise SqlError(f"{directory}: no such directory")
    return sorted(named(path) for path in directory.glob("*.sql"))


def named(path: Path) -> Migration:
    """The migration that `path` is called."""
    match = _NAME.fullmatch(path.name)
    if not match:
        raise SqlError(f"{path.name}:1: expected <timestamp>_<domain>_<concept>.sql")
    return Migration(match["version"], match["domain"], match["concept"], path)


def next_version(after: str | None, *, not_before: datetime, taken: Container[str] = ()) -> str:
    """The first second after `after`, from `not_before` on, that no other migration has."""
    moment = max(not_before, _moment(after) + timedelta(seconds=1)) if after else not_before
    while (version := moment.strftime(_VERSION)) in taken:
        moment += timedelta(seconds=1)
    return version


def _moment(version: str) -> datetime:
    try:
        return datetime.strptime(version, _VERSION).replace(tzinfo=UTC)
    except ValueError:
        raise SqlError(f"{version}: no point in time (YYYYMMDDHHMMSS)") from None
