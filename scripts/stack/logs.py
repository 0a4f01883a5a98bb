"""The parts' log files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

POLL = 0.25  # seconds


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log; none if it does not exist."""
    return path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []


def follow(paths: Sequence[Path], lines: int) -> Iterator[tuple[Path, str]]:
    """The last lines of these logs and then each new one, for ever, also when a part starts a new log."""
    positions: dict[Path, tuple[int, int]] = {}
    for path in paths:
        yield from ((path, line) for line in tail(path, lines))
        positions[path] = _end(path)
    while True:
        for path in paths:
            inode, size = _end(path)
            seen = positions[path][1] if positions[path][0] == inode else 0
            if size > seen:
                with path.open("rb") as file:
                    file.seek(seen)
                    complete = file.read().rpartition(b"\n")[0]
                yield from ((path, line) for line in complete.decode(errors="replace").splitlines())
                size = seen + len(complete) + 1 if complete else seen
            positions[path] = inode, size
        time.sleep(POLL)


def _end(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_ino, stat.st_size
