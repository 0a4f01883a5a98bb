"""Kill -9 of Postgres, all of its processes, while workers are busy: nothing lost, nothing twice."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from scripts.stack.database import migrate, prepare
from scripts.stack.ports import free_port_base
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack
from tests.acting import World
from tests.jobs.queueing import EFFECTS, Queue
from tests.worker.process import drained, eventually, worker

JOBS = 2000
KILLS = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Stack]:
    """A Postgres of its own, for it will not survive."""
    stack = Stack(Settings(state=tmp_path / "state", port=free_port_base()))
    stack.up(("postgres",))
    yield stack
    stack.destroy()


def own_queue(server: Stack) -> Queue:
    prepare(server.superuser_url())
    migrate(server.url("postgres"), seed=False)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute(EFFECTS)
    world = World(server.superuser_url(), server.url("postgres"), server.url("authenticator"))
    return Queue(world, server.url("edge_service"))


def kill_postgres(server: Stack) -> None:
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        if process.is_running():
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)


def test_a_killed_postgres_neither_loses_nor_repeats_work(server: Stack, tmp_path: Path) -> None:
    queue = own_queue(server)
    queue.stage_effects(JOBS // 2, "test.sql")
    queue.world.as_dba(
        "select jobs.enqueue('test.python', jsonb_build_object('n', g))"
        " from generate_series(%s::int, %s::int) as g",
        JOBS // 2 + 1, JOBS,
    )  # fmt: skip
    with (
        worker(queue, "tests.worker.doomed", "never", "sound"),
        worker(queue, "tests.worker.doomed", "never", "sound"),
    ):
        for kill in range(KILLS):
            at_least = (kill + 1) * JOBS // (KILLS + 2)
            eventually(lambda n=at_least: len(queue.effects()) >= n, "the workers do nothing")  # type: ignore[misc]
            kill_postgres(server)
            time.sleep(0.5)
            server.up(("postgres",), migrations=False)
        eventually(lambda: drained(queue), "jobs are left over")
    queue.assert_each_effect_once(JOBS)
