"""Connections that are used again: a new one costs Postgres ten times the statement that it is for.

Whoever borrows one finds it as if it were new. After an error it is not used again, nor if the server
has hung up.
"""

from __future__ import annotations

import select
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import DictRow, dict_row

_idle: defaultdict[str, list[psycopg.Connection[DictRow]]] = defaultdict(list)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[DictRow]]:
    """A connection in a transaction that is committed at the end, or rolled back by an error."""
    connection = _borrowed(url)
    try:
        yield connection
        if connection.closed:
            return
        connection.commit()
        connection.isolation_level = None
        connection.autocommit = True
        connection.execute("discard all")
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    _idle[url].append(connection)


def close_idle(*urls: str) -> None:
    """The databases behind them are about to go."""
    for url in urls:
        for connection in _idle.pop(url, []):
            connection.close()


def _borrowed(url: str) -> psycopg.Connection[DictRow]:
    while _idle[url]:
        connection = _idle[url].pop()
        if not _has_news(connection):
            return connection
        connection.close()
    # What is prepared on the server would not outlive `discard all`.
    return psycopg.connect(url, row_factory=dict_row, prepare_threshold=None)


def _has_news(connection: psycopg.Connection[DictRow]) -> bool:
    """An idle connection has nothing to read but that the server is gone."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
