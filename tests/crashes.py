"""A Postgres that may be killed, without taking the stack of the other tests with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from scripts.stack.database import migrate
from scripts.stack.ports import free_port_base
from scripts.stack.processes import PATIENCE, wait_until
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack


@contextmanager
def doomed_server(state: Path) -> Iterator[Stack]:
    """A Postgres of its own with all migrations, for it will not survive."""
    stack = Stack(Settings(state=state, port=free_port_base()))
    try:
        stack.up(("postgres",), migrations=False)
        migrate(stack.url("postgres"), seed=False)
        stack.up(("postgres",), migrations=False)  # gives a password to the roles that came with them
        yield stack
    finally:
        stack.destroy()


def kill_postgres(server: Stack) -> None:
    """SIGKILL to all of its processes at once."""
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        if process.is_running():
            process.send_signal(signal.SIGKILL)
    assert wait_until(lambda: all(_has_ended(process) for process in processes), PATIENCE)


def _has_ended(process: psutil.Process) -> bool:
    """Also if nobody has asked yet how: for orphans that may take seconds."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def forgetful(server: Stack) -> Iterator[None]:
    """Commits are acknowledged before they are on disk, by long enough that nobody needs luck to see it."""
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        connection.execute("alter system set synchronous_commit = off")
        connection.execute("alter system set wal_writer_delay = '10s'")
        connection.execute("alter system set wal_writer_flush_after = '1GB'")  # nor because there is much
    kill_postgres(server)  # a reload reaches its processes one after the other
    server.up(("postgres",), migrations=False)
    try:
        yield
    finally:
        with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
            connection.execute("alter system reset all")
            connection.execute("select pg_reload_conf()")
