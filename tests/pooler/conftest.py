"""A real PgBouncer in transaction mode between a database of the test and whatever the edge's login does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from scripts.stack.errors import StackError
from scripts.stack.health import accepts_logins
from scripts.stack.pooler import Pooler, find_pooler
from tests.edge.conftest import ai_accounts, auth, environment, log, stripe_api_base
from tests.edge.process import free_port
from tests.jobs.queueing import Queue
from tests.worker.conftest import queue, scheduled_queue
from tests.worker.process import PATIENCE, eventually

__all__ = ["ai_accounts", "auth", "environment", "log", "queue", "scheduled_queue", "stripe_api_base"]

SERVERS = 2
"""Connections to Postgres that all clients share: fewer than any of them asks for."""


@pytest.fixture(scope="session")
def pgbouncer() -> Pooler:
    try:
        return find_pooler()
    except StackError as reason:
        pytest.skip(f"NOT PROVEN on this machine: that everything works through a pooler. {reason}")


@dataclass(frozen=True)
class Pooled:
    """A queue whose workers reach it through the pooler; `url` is anybody's way through it."""

    queue: Queue
    url: str
    console_url: str

    def clients(self) -> int:
        """How many clients have a connection to the pooler now."""
        with psycopg.connect(self.console_url, autocommit=True) as console:
            return sum(row[1] == "edge_service" for row in console.execute("show clients"))

    def servers(self) -> int:
        """How many connections Postgres has with the edge's login."""
        (row,) = self.queue.world.as_dba(
            "select count(*) from pg_stat_activity"
            " where usename = 'edge_service' and datname = current_database()"
        )
        count: int = row["count"]
        return count


@pytest.fixture
def pooled(pgbouncer: Pooler, queue: Queue, tmp_path: Path) -> Iterator[Pooled]:
    port, server = free_port(), urlsplit(queue.service_url)
    dbname = server.path.removeprefix("/")
    (tmp_path / "pgbouncer.ini").write_text(f"""
        [databases]
        {dbname} = host={server.hostname} port={server.port} user=edge_service password={server.password}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        pool_mode = transaction
        default_pool_size = {SERVERS}
        max_client_conn = 500
        auth_type = any
        {"user = nobody" if os.geteuid() == 0 else ""}
    """)
    with (tmp_path / "pgbouncer.log").open("w") as output:
        process = subprocess.Popen(
            [pgbouncer.executable, str(tmp_path / "pgbouncer.ini")],
            env={**os.environ, **pgbouncer.env}, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"postgresql://edge_service@127.0.0.1:{port}/"
    try:
        said = (tmp_path / "pgbouncer.log").read_text
        eventually(lambda: accepts_logins(url + dbname), f"it does not serve: {said()}")
        yield Pooled(replace(queue, service_url=url + dbname), url + dbname, url + "pgbouncer")
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.fixture
def edge_database_url(pooled: Pooled) -> str:
    return pooled.url
