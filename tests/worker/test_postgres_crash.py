"""Kill -9 of Postgres, all of its processes, while jobs are staged and done: nothing lost, nothing twice."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from scripts.stack.stack import Stack
from tests.acting import World
from tests.crashes import doomed_server, forgetful, kill_postgres
from tests.jobs.queueing import EFFECTS, Queue
from tests.worker.process import PATIENCE, drained, eventually, worker

KINDS = ("test.sql", "test.python")


@pytest.fixture(scope="module")
def server(states: Path) -> Iterator[Stack]:
    """A Postgres of its own, for it will not survive."""
    with doomed_server(states / "doomed") as stack:
        with psycopg.connect(stack.url("postgres")) as connection:
            connection.execute(EFFECTS)
        yield stack


@pytest.fixture
def own_queue(server: Stack) -> Queue:
    world = World(server.superuser_url(), server.url("postgres"), server.url("authenticator"))
    world.as_dba("truncate jobs.queue, jobs.finished, jobs.effects")
    world.as_dba("delete from jobs.schedules")
    return Queue(world, server.url("edge_service"))


class Client:
    """Stages one job after the other, whatever happens to the server, and remembers what was acknowledged."""

    def __init__(self, queue: Queue) -> None:
        self._url = queue.world.database_url
        self._n = 0
        self.acknowledged: list[int] = []

    @contextmanager
    def staging(self) -> Iterator[None]:
        enough = threading.Event()
        thread = threading.Thread(target=self._stage, args=[enough])
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join(PATIENCE)

    def _stage(self, enough: threading.Event) -> None:
        while not enough.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    while not enough.is_set():
                        self._n += 1
                        connection.execute(
                            "select jobs.enqueue(%s, jsonb_build_object('n', %s::integer))",
                            [KINDS[self._n % 2], self._n],
                        )
                        self.acknowledged.append(self._n)
                        enough.wait(0.002)
            except psycopg.OperationalError:
                enough.wait(0.05)


def crash_and_recover(server: Stack, queue: Queue, variant: str, kills: int) -> tuple[int, int]:
    """How many acknowledged jobs had no effect, and how many effects were taken again."""
    client = Client(queue)
    with (
        worker(queue, "tests.worker.doomed", "slow", variant, WORKER_GRACE_SECONDS="10"),
        worker(queue, "tests.worker.doomed", "slow", variant, WORKER_GRACE_SECONDS="10"),
    ):
        with client.staging():
            for _ in range(kills):
                enough = len(queue.effects()) + 150
                eventually(lambda n=enough: len(queue.effects()) >= n, "the workers do nothing")  # type: ignore[misc]
                kill_postgres(server)
                time.sleep(0.5)
                server.up(("postgres",), migrations=False)
        eventually(lambda: drained(queue), "jobs are left over")
    assert queue.states() == {}, "left over"
    effects = Counter(queue.effects())
    return len(set(client.acknowledged) - set(effects)), effects.total() - len(effects)


def test_a_killed_postgres_neither_loses_nor_repeats_work(server: Stack, own_queue: Queue) -> None:
    assert crash_and_recover(server, own_queue, "sound", 2) == (0, 0)


@pytest.mark.parametrize("variant", ["forgets", "repeats"])
def test_workers_that_a_killed_postgres_makes_forget_or_repeat_are_caught(
    server: Stack, own_queue: Queue, variant: str
) -> None:
    """The controls: jobs ended before they are done, and effects committed before the job ends."""
    for _ in range(5):  # until a crash comes between a job's effect and its end
        lost, repeated = crash_and_recover(server, own_queue, variant, 1)
        # Whoever forgets is not fenced either: what it does again without an answer may be done twice.
        harm = lost if variant == "forgets" else repeated
        if harm:
            break
    assert harm > 0


def test_a_postgres_that_acknowledges_too_early_is_caught(server: Stack, own_queue: Queue) -> None:
    """The control: what was staged last is lost with the memory of the server."""
    with forgetful(server):
        lost, repeated = crash_and_recover(server, own_queue, "sound", 1)
    assert lost > 0
    assert repeated == 0, "effects and completions are lost together"
