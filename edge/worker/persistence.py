"""Saying something to a database that may be away for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from edge.errors import EdgeError

# The server is away, restarts or refuses for now; what was asked may be asked again.
Unavailable = (EdgeError, psycopg.OperationalError, psycopg.InterfaceError)

# Whatever the database answered: what is asked again and again must outlive every one of its errors.
Unanswered = (EdgeError, psycopg.Error)

T = TypeVar("T")


async def until_heard(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Repeat a call until it is answered; gives up with its last error after so many seconds.

    Only for calls that do no harm when they are heard twice.
    """
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return await call()
        except Unavailable:
            if time.monotonic() + pause > deadline:
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
