"""Jobs are taken in turn, by one worker each, under a lease that only its holder can use."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg.rows import dict_row

from tests.jobs.queueing import Queue


def test_urgent_jobs_are_taken_first_but_others_are_reached(queue: Queue) -> None:
    waiting = queue.stage(priority=-5)
    normal, urgent = queue.stage(), queue.stage(priority=10)
    assert [queue.claim()[0]["id"] for _ in range(3)] == [urgent, normal, waiting]

    waiting = queue.stage(priority=-5)
    queue.world.as_dba("update jobs.queue set turn = turn - interval '16 minutes' where id = %s", waiting)
    queue.stage(priority=10)
    assert queue.claim()[0]["id"] == waiting, "ten points are ten minutes, not forever"


def test_a_scheduled_job_waits_until_it_is_due(queue: Queue) -> None:
    id_ = queue.stage(run_at="2999-01-01")
    assert queue.claim() == []
    queue.pass_time()
    assert [job["id"] for job in queue.claim()] == [id_]


def test_no_job_is_taken_twice(queue: Queue) -> None:
    queue.stage_effects(400)
    with ThreadPoolExecutor(8) as threads:
        taken = [job["id"] for jobs in threads.map(lambda _: queue.claim(10), range(48)) for job in jobs]
    assert len(taken) == len(set(taken)) == 400


def test_an_expired_lease_runs_again_and_the_late_worker_is_fenced(queue: Queue) -> None:
    queue.stage(payload={"n": 1})
    (late,) = queue.claim()
    assert queue.reap() == {"again": 0, "dead": 0}, "its lease still runs"
    queue.expire_leases()
    assert queue.reap() == {"again": 1, "dead": 0}
    assert queue.heartbeat(late) == [late["id"]]
    assert queue.complete(late) == [late["id"]]
    (current,) = queue.claim()
    assert (current["id"], current["idempotency_key"]) == (late["id"], late["idempotency_key"])

    assert queue.complete(late) == [late["id"]]
    assert queue.fail(late) == queue.later(late) == queue.run(late) == "lease_lost"
    queue.release(late)
    assert queue.job(late["id"])["state"] == "running"
    assert queue.complete(current) == []


def test_a_fence_that_looks_at_the_id_alone_would_be_noticed(queue: Queue) -> None:
    """The control of the test above."""
    (row,) = queue.world.as_dba("select pg_get_functiondef('edge.complete_jobs'::regproc) as source")
    broken = row["source"].replace("and q.lease = coalesce(v_lease, leases[array_position(ids, q.id)])", "")
    assert broken != row["source"]
    queue.world.as_dba(broken)
    queue.stage()
    (late,) = queue.claim()
    queue.expire_leases()
    queue.reap()
    queue.claim()
    assert queue.complete(late) == []


def test_a_heartbeat_keeps_the_lease(queue: Queue) -> None:
    queue.stage()
    (job,) = queue.claim()
    queue.expire_leases()
    assert queue.heartbeat(job) == []
    assert queue.reap() == {"again": 0, "dead": 0}


def test_a_sql_job_at_work_is_neither_reaped_nor_does_it_block_heartbeats(queue: Queue) -> None:
    queue.stage("test.sql", {"n": 1})
    (job,) = queue.claim()
    with psycopg.connect(queue.service_url) as connection:
        connection.execute("select edge.run_job(%s, %s)", [job["id"], job["lease"]])
        queue.world.as_dba("set local lock_timeout = '1s'")
        assert queue.reap() == {"again": 0, "dead": 0}
        assert queue.heartbeat(job) == []
        connection.rollback()
    assert queue.effects() == []
    assert queue.run(job) == "done"


def test_a_released_job_is_free_and_nothing_counts_against_it(queue: Queue) -> None:
    id_ = queue.stage()
    queue.release(*queue.claim())
    assert queue.job(id_)["attempts"] == queue.job(id_)["lost_leases"] == 0
    (job,) = queue.claim()
    assert (job["id"], job["attempt"]) == (id_, 1)


def test_plans_made_for_an_empty_queue_serve_a_long_one(queue: Queue) -> None:
    with psycopg.connect(queue.world.database_url, autocommit=True) as dba:
        dba.execute("vacuum analyze jobs.queue")  # known to be empty, it would be scanned
    with psycopg.connect(queue.service_url) as worker:
        for _ in range(2):
            worker.execute("select from edge.claim_jobs('early', 1)")
            worker.execute("select edge.complete_jobs('{1}', '{1}')")
        worker.commit()
        queue.stage_effects(1000)

        claimed = worker.execute("select array_agg(id), array_agg(lease) from edge.claim_jobs('late', 3)")
        assert worker.execute("select edge.complete_jobs(%s, %s)", claimed.fetchone()).fetchone() == ([],)
        scans = worker.execute(
            "select seq_scan from pg_stat_xact_user_tables where schemaname = 'jobs' and relname = 'queue'"
        )
        assert scans.fetchone() == (0,)


def test_a_forgotten_claim_is_fenced_too(queue: Queue) -> None:
    queue.stage()
    claim = "select id, lease from edge.claim_jobs('a test', 1)"
    with psycopg.connect(queue.service_url, row_factory=dict_row) as connection:
        forgotten = connection.execute(claim).fetchone()
        connection.rollback()  # what a crash of the server does to a commit that did not reach the disk
    (current,) = queue.claim()
    assert forgotten
    assert queue.complete(forgotten) == [current["id"]]
    assert queue.complete(current) == []


def orphan(queue: Queue) -> None:
    """What a job comes to that was being staged while its kind was dropped."""
    with psycopg.connect(queue.world.database_url) as staging:
        staging.execute("select jobs.enqueue_all('test.sql', array_fill('{}'::jsonb, array[5]))")
        queue.world.as_dba("delete from jobs.kinds where kind = 'test.sql'")


def test_jobs_without_a_kind_stand_in_nobodys_way(queue: Queue) -> None:
    orphan(queue)
    id_ = queue.stage()
    assert [job["id"] for _ in range(2) for job in queue.claim(2)] == [id_]
    states = queue.states()
    assert states.pop(id_) == "running"
    assert list(states.values()) == ["dead"] * 5


def test_jobs_whose_kind_vanished_while_they_ran_end(queue: Queue) -> None:
    queue.stage_effects(4, "test.sql")
    queue.stage()
    jobs = [job for job in queue.claim(5) if job["kind"] == "test.sql"]
    queue.world.as_dba("alter table jobs.kinds disable trigger user")
    queue.world.as_dba("delete from jobs.kinds where kind = 'test.sql'")
    assert [queue.run(jobs[0]), queue.fail(jobs[1]), queue.later(jobs[2])] == ["dead"] * 3
    queue.expire_leases()
    assert queue.reap() == {"again": 1, "dead": 1}
