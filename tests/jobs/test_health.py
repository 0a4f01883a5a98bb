"""What operators alarm on is told of the whole queue, by any worker."""

import psycopg
from prometheus_client import CollectorRegistry

from edge.worker.monitor import Monitor
from tests.acting import Row
from tests.jobs.queueing import Queue


def health(queue: Queue) -> Row:
    answer: Row = queue.ask("select edge.queue_health()")
    return answer


def lose(queue: Queue, times: int) -> None:
    """Workers vanish, one after the other."""
    for _ in range(times):
        queue.pass_time()
        assert queue.claim()
        queue.expire_leases()
        queue.reap()


def test_jobs_that_died_of_vanished_workers_are_counted_apart(queue: Queue) -> None:
    queue.world.as_dba("update jobs.kinds set max_lost_leases = 3")
    failing = queue.stage()
    while queue.job(failing)["state"] != "dead":
        queue.fail(queue.claim()[0])
        queue.pass_time()
    assert (health(queue)["dead"], health(queue)["dead_by_lost_leases"]) == (1, 0)
    queue.stage()
    lose(queue, 2)
    assert (health(queue)["dead"], health(queue)["dead_by_lost_leases"]) == (1, 0)
    lose(queue, 1)
    assert (health(queue)["dead"], health(queue)["dead_by_lost_leases"]) == (2, 1)


def test_a_lease_that_nobody_reaps_is_seen(queue: Queue) -> None:
    queue.stage()
    assert queue.claim()
    assert health(queue)["oldest_expired_lease_seconds"] == 0, "its lease still runs"
    queue.expire_leases()
    assert health(queue)["oldest_expired_lease_seconds"] >= 1
    queue.reap()
    assert health(queue)["oldest_expired_lease_seconds"] == 0


def test_a_sql_job_that_outlasts_its_lease_is_no_alarm(queue: Queue) -> None:
    queue.stage("test.sql", {"n": 1})
    (job,) = queue.claim()
    queue.expire_leases()
    with psycopg.connect(queue.service_url) as connection:
        connection.execute("select edge.run_job(%s, %s)", [job["id"], job["lease"]])
        assert health(queue)["oldest_expired_lease_seconds"] == 0
        connection.rollback()
    assert health(queue)["oldest_expired_lease_seconds"] >= 1


def test_every_worker_shows_it(queue: Queue) -> None:
    monitor = Monitor()
    monitor.observe(health(queue) | {"dead_by_lost_leases": 2, "oldest_expired_lease_seconds": 7.5})
    registry: CollectorRegistry = monitor.registry
    assert registry.get_sample_value("queue_dead_by_lost_leases") == 2
    assert registry.get_sample_value("queue_oldest_expired_lease_seconds") == 7.5
