"""What admins see of the queue and decide; for everybody else it does not exist."""

import uuid

import pytest

from scripts import jobs
from tests.acting import Person, refused
from tests.jobs.queueing import Queue


@pytest.fixture
def admin(queue: Queue) -> Person:
    ada = queue.world.person("ada")
    queue.world.as_dba("update public.profiles set role = 'admin' where id = %s", ada.id)
    queue.world.as_dba("delete from jobs.queue")  # the mail that says so
    return ada


def kill(queue: Queue) -> int:
    id_ = queue.stage(payload={"n": 1})
    while queue.job(id_)["state"] != "dead":
        queue.fail(queue.claim()[0], "no luck")
        queue.pass_time()
    return id_


def test_pages_follow_each_other_and_filters_hold(queue: Queue, admin: Person) -> None:
    ids = [queue.stage() for _ in range(5)]
    queue.claim(5)
    dead = kill(queue)
    first = admin.rows("select * from public.admin_jobs(page_size => 4)")
    rest = admin.rows("select * from public.admin_jobs(before => %s)", first[-1]["id"])
    assert [row["id"] for row in first + rest] == sorted([*ids, dead], reverse=True)
    (row,) = admin.rows("select * from public.admin_jobs('dead', 'test.python')")
    assert (row["id"], row["reason"], row["payload"]) == (dead, "no luck", {"n": 1})
    assert admin.rows("select * from public.admin_jobs(only_kind => 'test.sql')") == []


def test_an_admin_retries_and_drops(queue: Queue, admin: Person) -> None:
    id_ = kill(queue)
    assert admin.row("select public.admin_retry_job(%s)", id_) == {"admin_retry_job": id_}
    assert queue.job(id_)["state"] == "ready"
    admin.rows("select public.admin_drop_job(%s, 'enough')", id_)
    assert (queue.job(id_)["state"], queue.job(id_)["reason"]) == ("dropped", "enough")
    recorded = queue.world.as_dba(
        "select action, user_id, changes from audit.log where action in ('retry_job', 'drop_job') order by id"
    )
    assert [(row["action"], row["user_id"], row["changes"]["job"]) for row in recorded] == [
        ("retry_job", admin.id, id_),
        ("drop_job", admin.id, id_),
    ]
    with refused("invalid_state"):
        admin.rows("select public.admin_retry_job(%s)", id_)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from public.admin_jobs()",
        "select public.admin_retry_job(1)",
        "select public.admin_drop_job(1, 'no')",
    ],
)
def test_others_are_refused(queue: Queue, statement: str) -> None:
    with refused("forbidden"):
        queue.world.person("grace").rows(statement)
    with refused("42501"):
        queue.world.anon.rows(statement)


def test_admins_alone_see_runs(queue: Queue, admin: Person) -> None:
    queue.ask("select edge.fire_schedule('reap', now())")
    assert admin.row("select schedule, status from public.job_runs") == {
        "schedule": "reap",
        "status": "queued",
    }
    assert queue.world.person(f"p{uuid.uuid4().hex}").rows("select * from public.job_runs") == []


def test_the_tool_of_dbas(queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = jobs.main(["--database-url", queue.world.database_url, *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    id_ = str(kill(queue))
    assert "no luck" in run("list", "--state", "dead")[1]
    assert '"reason": "no luck"' in run("show", id_)[1]
    assert run("retry", id_)[0] == 0
    assert run("drop", id_, "enough")[0] == 0
    assert run("retry", id_) == (1, "invalid_state  Only dead and cancelled jobs run again.\n")
    assert run("show", "0")[0] == 1
    assert "only if their kind says so" in run("show", "0")[1]
    assert "jobs.reap" in run("schedules")[1]
    assert run("run", "reap") == (0, "fired\n")
    queue.world.as_dba("update jobs.schedules set last_slot = now() + interval '1 minute'")
    assert run("run", "reap")[0] == 1
    assert "Wait a moment." in run("run", "reap")[1]
