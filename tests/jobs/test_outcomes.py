"""Each way in which an attempt can end, and what admins find afterwards."""

import pytest

from tests.acting import refused
from tests.jobs.queueing import Queue


def test_a_failure_backs_off_and_the_last_one_kills(queue: Queue) -> None:
    id_ = queue.stage(payload={"n": 1})
    for attempt in (1, 2):
        (job,) = queue.claim()
        assert job["attempt"] == attempt
        assert queue.fail(job, f"error {attempt}") == "retry"
        assert queue.job(id_)["reason"] == f"error {attempt}"
        queue.pass_time()
    assert queue.fail(queue.claim()[0], "error 3") == "dead"
    dead = queue.job(id_)
    assert (dead["state"], dead["reason"], dead["attempts"], dead["payload"]) == (
        "dead",
        "error 3",
        3,
        {"n": 1},
    )


def test_the_backoff_doubles_is_bounded_and_spread(queue: Queue) -> None:
    rows = queue.world.as_dba(
        "select f, extract(epoch from min(b)) as low, extract(epoch from max(b)) as high"
        " from generate_series(1, 40) as f, generate_series(1, 50) as again,"
        " lateral (select jobs.backoff(k, f + 0 * again) from jobs.kinds as k"
        " where k.kind = 'test.python') as x (b)"
        " group by f"
    )
    for row in rows:
        whole = min(0.01 * 2 ** (row["f"] - 1), 3600)
        assert whole / 2 <= float(row["low"]) < float(row["high"]) <= whole


def test_waiting_for_a_dependency_burns_no_attempt_but_patience_ends(queue: Queue) -> None:
    id_ = queue.stage()
    for _ in range(10):
        assert queue.later(queue.claim()[0]) == "later"
        queue.pass_time()
    assert queue.job(id_)["attempts"] == 0
    queue.world.as_dba("update jobs.queue set deferred_since = now() - interval '25 hours'")
    assert queue.later(queue.claim()[0]) == "dead"
    assert "not here" in queue.job(id_)["reason"]


def test_a_payload_that_kills_its_workers_dies_in_the_end(queue: Queue) -> None:
    id_ = queue.stage()
    queue.world.as_dba("update jobs.kinds set max_lost_leases = 4 where kind = 'test.python'")
    for _ in range(4):
        assert queue.job(id_)["state"] != "dead"
        queue.pass_time()
        assert queue.claim()
        queue.expire_leases()
        queue.reap()
    assert queue.job(id_)["state"] == "dead"


def test_a_sql_job_and_its_effect_end_together(queue: Queue) -> None:
    queue.stage("test.sql", {"n": 1})
    assert queue.run(queue.claim()[0]) == "done"
    queue.assert_each_effect_once(1)


@pytest.mark.parametrize(("reason", "outcome"), [("error", "retry"), ("not_yet", "later")])
def test_a_sql_job_that_does_not_succeed_leaves_no_effect(queue: Queue, reason: str, outcome: str) -> None:
    id_ = queue.stage("test.sql", {"n": 1, reason: "no"})
    assert queue.run(queue.claim()[0]) == outcome
    assert queue.effects() == []
    assert queue.job(id_)["state"] == "scheduled"
    assert queue.job(id_)["attempts"] == (1 if reason == "error" else 0)


def test_a_typed_error_tells_operators_what_to_do(queue: Queue) -> None:
    queue.world.as_dba(
        "create or replace function jobs.take_effect(payload jsonb) returns jsonb language plpgsql"
        " as $$ begin perform core.fail('not_found', 'Look elsewhere.'); return null; end $$"
    )
    id_ = queue.stage("test.sql")
    assert queue.run(queue.claim()[0]) == "retry"
    assert queue.job(id_)["reason"] == "PT404: not_found Look elsewhere."


def test_an_effect_of_a_lost_lease_is_taken_back(queue: Queue) -> None:
    queue.stage(payload={"n": 1})
    (late,) = queue.claim()
    queue.expire_leases()
    queue.reap()
    with refused("invalid_state", rule="lease_lost"):
        queue.call("select edge.record_effect(%s, %s, 1)", late["id"], late["lease"])
    assert queue.effects() == []
    (job,) = queue.claim()
    queue.call("select edge.record_effect(%s, %s, 1)", job["id"], job["lease"])
    queue.assert_each_effect_once(1)


def test_done_jobs_are_kept_only_if_their_kind_says_so_and_not_forever(queue: Queue) -> None:
    queue.world.as_dba("update jobs.kinds set keep_done = '1 hour' where kind = 'test.sql'")
    id_ = queue.stage("test.sql", {"n": 1})
    queue.run(queue.claim()[0])
    assert queue.job(id_)["state"] == "done"
    queue.world.as_dba("select jobs.clean_up('{}')")
    assert queue.job(id_)
    queue.world.as_dba("update jobs.finished set keep_until = now() - interval '1 second'")
    queue.world.as_dba("select jobs.clean_up('{}')")
    assert queue.states() == {}


def test_dead_and_cancelled_jobs_start_over_with_their_key_and_old_workers_stay_fenced(queue: Queue) -> None:
    id_ = queue.stage()
    (late,) = queue.claim()
    queue.world.as_dba("select jobs.cancel(%s, 'a mistake')", id_)
    assert queue.job(id_)["state"] == "cancelled"
    assert queue.complete(late) == [id_]
    queue.world.as_dba("select jobs.requeue(%s)", id_)
    assert queue.complete(late) == [id_]
    (job,) = queue.claim()
    assert (job["id"], job["idempotency_key"], job["attempt"]) == (id_, late["idempotency_key"], 1)
    assert job["lease"] > late["lease"]


def test_a_dropped_job_stays_dropped_and_says_why(queue: Queue) -> None:
    id_ = queue.stage()
    with refused("validation_failed", field="reason"):
        queue.world.as_dba("select jobs.drop(%s, ' ')", id_)
    queue.world.as_dba("select jobs.drop(%s, 'nobody wants it')", id_)
    assert (queue.job(id_)["state"], queue.job(id_)["reason"]) == ("dropped", "nobody wants it")
    for decision in ("select jobs.requeue(%s)", "select jobs.drop(%s, 'again')"):
        with refused("invalid_state", state="dropped"):
            queue.world.as_dba(decision, id_)
    with refused("not_found"):
        queue.world.as_dba("select jobs.requeue(0)")
