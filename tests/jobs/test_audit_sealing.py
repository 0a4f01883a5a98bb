"""The audit log is sealed by schedule, and each run says which head the chain had then."""

from tests.jobs.queueing import Queue


def seal(queue: Queue) -> dict[str, object]:
    """Fire the schedule and do its job; returns what the run counted."""
    queue.world.as_dba("update jobs.schedules set last_slot = null where name = 'seal_audit_log'")
    queue.world.as_dba("delete from public.job_runs where schedule = 'seal_audit_log'")
    assert queue.ask("select edge.fire_schedule('seal_audit_log', now())") == "fired"
    (job,) = queue.claim()
    assert (job["kind"], job["handler"]) == ("jobs.seal_audit_log", "sql")
    assert queue.run(job) == "done"
    (run,) = queue.world.as_dba("select * from public.job_runs where schedule = 'seal_audit_log'")
    assert run["status"] == "done"
    counts: dict[str, object] = run["counts"]
    return counts


def test_a_run_seals_and_keeps_the_head(queue: Queue) -> None:
    queue.world.as_dba("select audit.record('work') from generate_series(1, 12345)")
    first = seal(queue)
    (waiting,) = queue.world.as_dba("select (audit.verify(%s::bytea)).*", f"\\x{first['head']}")
    assert (waiting["finding"], waiting["unsealed_rows"]) == ("ok", 0)
    assert isinstance(first["rows"], int)
    assert first["rows"] >= 12345, "more than one seal holds, in one run"

    again = seal(queue)
    assert again == first | {"rows": 0, "partitions": 0}, "nothing new, the same head"

    queue.world.as_dba("select audit.record('more_work')")
    later = seal(queue)
    assert later["rows"] == 1
    assert later["head"] != first["head"]
    assert queue.world.as_dba("select (audit.verify(%s::bytea)).finding", f"\\x{first['head']}") == [
        {"finding": "ok"}
    ]


def test_a_run_makes_the_partitions_ahead(queue: Queue) -> None:
    queue.world.as_dba(
        "do $$ begin execute (select 'drop table ' || max(inhrelid::regclass::text) from pg_inherits"
        " where inhparent = 'audit.log'::regclass and inhrelid::regclass::text ~ '[0-9]$'); end $$"
    )
    assert seal(queue)["partitions"] == 1
    assert seal(queue)["partitions"] == 0
