"""Where the stacks of tests keep their state: in memory, if this machine has room there.

A test makes a database of hundreds of files and drops it. On disk, a file system may search the longer for
each new file, the more went lately: ten times as long as the copying takes. No proof is lost: kill -9 takes
the memory of processes, and what they wrote without syncing it survives on a disk as well.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from scripts.stack.lock import exclusive

MEMORY = Path("/dev/shm")  # noqa: S108  (what is made in there is private)
ROOM = 2 * 1024**3
"""Bytes: more than the two processes of a test run need there; most is write-ahead log."""


@contextmanager
def directory_of_states(on_disk: Path) -> Iterator[Path]:
    """A directory of this process: in memory, or else this one."""
    if not _has_room():
        yield on_disk
        return
    home = MEMORY / f"groundwork-tests-{os.geteuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as until_the_end:
        with exclusive(home / "lock", _wait):
            for abandoned in home.glob("*/"):
                with suppress(BlockingIOError), exclusive(abandoned / "lock", _refuse):
                    shutil.rmtree(abandoned)
            own = Path(tempfile.mkdtemp(dir=home))
            until_the_end.enter_context(exclusive(own / "lock", _wait))
        until_the_end.callback(shutil.rmtree, own)
        yield own


def _has_room() -> bool:
    return MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ROOM


def _wait() -> None:
    """Whoever holds it is done in a moment."""


def _refuse() -> None:
    raise BlockingIOError
