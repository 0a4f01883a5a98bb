"""Work is staged in the caller's transaction, once per key, and never without a kind."""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.acting import refused
from tests.jobs.queueing import Queue


def test_a_job_exists_exactly_if_its_transaction_commits(queue: Queue) -> None:
    with psycopg.connect(queue.world.database_url) as connection:
        connection.execute("select jobs.enqueue('test.python')")
        assert queue.claim() == []
        connection.rollback()
    assert queue.claim() == []
    id_ = queue.stage()
    assert [job["id"] for job in queue.claim()] == [id_]


def test_an_unknown_kind_is_refused(queue: Queue) -> None:
    with refused("validation_failed", field="kind"):
        queue.stage("test.unknown")
    with refused("validation_failed", field="kind"):
        queue.world.as_dba("select jobs.enqueue_all('test.unknown', array['{}'::jsonb])")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"payload": {"text": "x" * 65536}}, "payload"),
        ({"priority": 101}, "priority"),
        ({"priority": -2_000_000_000}, "priority"),
        ({"unique_key": ""}, "unique_key"),
        ({"unique_key": "x" * 201}, "unique_key"),
    ],
)
def test_what_is_staged_is_bounded(queue: Queue, options: dict[str, object], field: str) -> None:
    with refused("validation_failed", field=field):
        queue.stage(**options)  # type: ignore[arg-type]


def test_a_payload_is_an_object(queue: Queue) -> None:
    with refused("validation_failed", field="payload"):
        queue.world.as_dba("select jobs.enqueue('test.python', %s)", json.dumps([1]))


def test_a_key_stands_for_one_unfinished_job(queue: Queue) -> None:
    first = queue.stage(unique_key="k")
    assert queue.stage(unique_key="k") == first
    assert queue.stage("test.sql", {"n": 1}, unique_key="k") != first, "keys belong to their kind"
    job = next(job for job in queue.claim(2) if job["id"] == first)
    assert queue.stage(unique_key="k") == first, "a running job is unfinished"
    assert queue.complete(job) == []
    assert queue.stage(unique_key="k") > first


def test_a_key_is_free_again_after_the_death_of_its_job(queue: Queue) -> None:
    first = queue.stage(unique_key="k")
    queue.world.as_dba("select jobs.cancel(%s, 'no more')", first)
    second = queue.stage(unique_key="k")
    assert second > first
    with refused("conflict", unique_key="k"):
        queue.world.as_dba("select jobs.requeue(%s)", first)


def test_callers_at_once_get_the_same_job(queue: Queue) -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: queue.stage(unique_key="k"), range(40)))
    assert len(set(ids)) == 1


def test_many_are_staged_at_once_and_twice_is_once(queue: Queue) -> None:
    for expected in (3, 0):
        (row,) = queue.world.as_dba(
            "select jobs.enqueue_all("
            "'test.python', array['{}', '{}', '{}']::jsonb[], array['c', 'a', 'b']) as new"
        )
        assert row["new"] == expected


def test_a_kind_in_use_stays(queue: Queue) -> None:
    queue.stage()
    for statement in (
        "delete from jobs.kinds where kind = 'test.python'",
        "update jobs.kinds set kind = 'test.renamed' where kind = 'test.python'",
    ):
        with refused("invalid_state", kind="test.python"):
            queue.world.as_dba(statement)
    queue.world.as_dba("update jobs.kinds set kind = kind, max_attempts = 4 where kind = 'test.python'")
    queue.world.as_dba("update jobs.kinds set kind = 'test.renamed' where kind = 'test.sql'")
