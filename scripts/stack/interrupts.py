"""Ctrl-C and friends become one exception, which never strikes where something has to be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user, or the machine, asked this invocation to end."""


class _Gate:
    holders = 0
    pending = False


def install() -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP raise `Interrupted` in the main thread; it then cleans up."""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


@contextmanager
def held() -> Iterator[None]:
    """Within this block a signal waits; it is raised when the outermost block ends."""
    _Gate.holders += 1
    try:
        yield
    finally:
        _Gate.holders -= 1
    if _Gate.pending and not _Gate.holders:
        _Gate.pending = False
        raise Interrupted


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if _Gate.holders:
        _Gate.pending = True
    else:
        raise Interrupted
