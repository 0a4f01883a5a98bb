"""Every Pro user gets one mail a day about what they can see, whatever happens to the others."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from tests.acting import Person, Row, World, refused
from tests.billing.subscribing import subscribe
from tests.identity.mails import mails, queued
from tests.identity.organizations import found, join
from tests.identity.summaries import (
    claim,
    fire,
    last_run,
    pro,
    pro_addresses,
    project,
    scopes,
    summarize,
    task,
)
from tests.jobs.queueing import Queue

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def test_a_pro_user_reads_what_happened_to_their_private_work(queue: Queue) -> None:
    ada = pro(queue.world, "ada", metadata={"name": "Ada"})
    notes = project(ada, "Notes")
    task(ada, notes, "first")
    second = task(ada, notes, "second")
    ada.rows("update tasks set status = 'done' where id = %s", second)
    slot = datetime.now(UTC)
    assert summarize(queue, slot) == {"users": 1, "staged": 1, "unsubscribed": 0, "failed": 0}
    (mail,) = queued(queue.world, "daily_summary")
    assert (mail["to"], mail["user_id"]) == (ada.email, ada.id)
    assert mail["dedupe_key"] == f"daily_summary:{slot:%Y-%m-%d}:{ada.id}"
    params = mail["params"]
    assert datetime.fromisoformat(params["since"]) == slot - DAY
    assert datetime.fromisoformat(params["until"]) == slot
    assert (params["name"], params["remaining"]) == ("Ada", 0)
    assert params["scopes"] == [
        {
            "organization": None,
            "projects_created": 1, "tasks_created": 2, "tasks_updated": 1, "tasks_done": 1,
            "items": [
                {"project": "Notes", "title": "second", "status": "done"},
                {"project": "Notes", "title": "first", "status": "todo"},
            ],
        }
    ]  # fmt: skip
    jobs = queue.world.as_dba("select payload from jobs.queue where kind = 'jobs.send_email'")
    assert [job["payload"] for job in jobs] == [{"email_id": str(mail["id"])}]


def test_a_quiet_day_is_worth_a_mail_too_and_others_get_none(queue: Queue) -> None:
    ada = pro(queue.world, "ada")
    queue.world.person("free")
    assert summarize(queue)["users"] == 1
    assert scopes(queue.world, ada) == []


def test_members_read_of_shared_work_and_of_nobody_elses(queue: Queue) -> None:
    world = queue.world
    ada, grace, stranger, free = (
        pro(world, "ada"),
        pro(world, "grace"),
        pro(world, "stranger"),
        world.person("f"),
    )
    engines, looms = found(ada, "Engines"), found(stranger, "Looms")
    join(ada, engines, grace, "member")
    join(stranger, looms, free, "member")
    task(grace, project(ada, "Shared", engines), "for all of us")
    task(ada, project(ada, "Ada's"), "private to ada")
    task(free, project(free, "Free's", looms), "in another tenant")
    task(free, project(free, "Free's own"), "private to free")
    assert summarize(queue)["staged"] == 3
    shared = {
        "organization": "Engines",
        "projects_created": 1, "tasks_created": 1, "tasks_updated": 0, "tasks_done": 0,
        "items": [{"project": "Shared", "title": "for all of us", "status": "todo"}],
    }  # fmt: skip
    assert scopes(world, grace) == [shared]
    own, same = scopes(world, ada)
    assert same == shared
    assert [item["title"] for item in own["items"]] == ["private to ada"]
    assert [item["title"] for scope in scopes(world, stranger) for item in scope["items"]] == [
        "in another tenant"
    ]


def test_members_of_a_pro_organization_are_pro_once(queue: Queue) -> None:
    world = queue.world
    ada, grace = world.person("ada"), pro(world, "grace")
    organizations = [found(ada, name) for name in ("Engines", "Looms")]
    for organization in organizations:
        join(ada, organization, grace, "member")
    subscribe(world, *organizations)
    assert summarize(queue) == {"users": 2, "staged": 2, "unsubscribed": 0, "failed": 0}
    assert {mail["to"] for mail in queued(world, "daily_summary")} == {ada.email, grace.email}


def test_who_moves_reads_of_where_they_are(queue: Queue) -> None:
    world = queue.world
    ada, alan, grace = world.person("ada"), world.person("alan"), pro(world, "grace")
    engines, looms = found(ada, "Engines"), found(alan, "Looms")
    join(ada, engines, grace, "member")
    task(grace, project(grace, "By grace", engines), "left behind")
    task(alan, project(alan, "By alan", looms), "was there before")
    grace.rows("select leave_organization(%s)", engines)
    join(alan, looms, grace, "member")
    summarize(queue)
    assert [scope["organization"] for scope in scopes(world, grace)] == ["Looms"]


def test_what_was_deleted_is_not_mentioned(queue: Queue) -> None:
    world = queue.world
    ada = pro(world, "ada")
    gone, kept, ended = project(ada, "Gone"), project(ada, "Kept"), found(ada, "Ended")
    for where in (gone, kept, project(ada, "Shared", ended)):
        task(ada, where, "a task")
    ada.rows("delete from tasks where id = %s", task(ada, kept, "deleted"))
    ada.rows("delete from projects where id = %s", gone)
    ada.rows("select delete_organization(%s)", ended)
    summarize(queue)
    (scope,) = scopes(world, ada)
    assert (scope["projects_created"], scope["tasks_created"]) == (1, 1)
    assert scope["items"] == [{"project": "Kept", "title": "a task", "status": "todo"}]


@pytest.mark.parametrize(
    "slot",
    [
        datetime(2024, 3, 1, 3, tzinfo=UTC),
        datetime(2024, 3, 1, 0, tzinfo=UTC),
        datetime(2026, 1, 1, 3, tzinfo=UTC),
        datetime(2026, 3, 29, 3, tzinfo=UTC),
        datetime(2026, 10, 25, 3, tzinfo=UTC),
        datetime(2026, 10, 25, 23, 30, tzinfo=UTC),
    ],
    ids=str,
)
def test_the_day_has_24_hours_and_its_edges_are_sharp(queue: Queue, slot: datetime) -> None:
    """Also where the server's clock is put forward or back."""
    world = queue.world
    ada = pro(world, "ada")
    world.as_dba(
        "do $$ begin"
        " execute format('alter database %%I set timezone = ''Europe/Berlin''', current_database());"
        " end $$"
    )
    start = slot - DAY
    changes = {
        "too early": (start - TICK, start - TICK), "first": (start, start),
        "last": (slot - TICK, slot - TICK), "too late": (slot, slot),
        "touched": (start - DAY, start), "touched too late": (start - DAY, slot),
        "made, touched too late": (slot - TICK, slot),
    }  # fmt: skip
    world.as_dba(
        "insert into public.projects (user_id, name, created_at, updated_at) values (%s, 'Old', %s, %s)",
        ada.id, start - DAY, start - DAY,
    )  # fmt: skip
    for title, (created, updated) in changes.items():
        world.as_dba(
            "insert into public.tasks (project_id, title, status, created_at, updated_at)"
            " select id, %s, 'done', %s, %s from public.projects where name = 'Old'",
            title, created, updated,
        )  # fmt: skip
        world.as_dba(
            "insert into public.projects (user_id, name, created_at, updated_at) values (%s, %s, %s, %s)",
            ada.id, title, created, updated,
        )  # fmt: skip
    summarize(queue, slot)
    (scope,) = scopes(world, ada)
    items = {item["title"] for item in scope["items"]}
    assert items == {"first", "last", "touched", "made, touched too late"}
    assert {key: count for key, count in scope.items() if key not in {"items", "organization"}} == {
        "projects_created": 3, "tasks_created": 3, "tasks_updated": 1, "tasks_done": 3,
    }  # fmt: skip
    (mail,) = mails(world, "daily_summary")
    assert mail["dedupe_key"] == f"daily_summary:{slot:%Y-%m-%d}:{ada.id}"


def test_nobody_gets_two_mails_a_day(queue: Queue) -> None:
    world = queue.world
    pro(world, "ada")
    slot = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert summarize(queue, slot)["staged"] == 1
    assert queue.ask("select edge.fire_schedule('daily_summary', %s)", slot) == "taken"
    world.as_dba(
        "select jobs.enqueue(kind, jsonb_build_object('schedule', schedule, 'slot', slot)) from job_runs"
    )
    assert queue.run(claim(queue)) == "done"
    pro(world, "late")
    assert summarize(queue, slot + timedelta(hours=20)) == {
        "users": 2, "staged": 1, "unsubscribed": 0, "failed": 0, "mailed_before": 1,
    }  # fmt: skip
    assert summarize(queue, slot + DAY)["staged"] == 2
    assert len(mails(world, "daily_summary")) == 4


def test_who_wants_none_or_cannot_get_any(queue: Queue) -> None:
    world = queue.world
    ada, gone, nameless = pro(world, "ada"), pro(world, "gone"), pro(world, "nameless")
    pro(world, "grace")
    ada.rows("select set_email_preference('daily_summary', false)")
    world.as_auth_service("delete from auth.users where id = %s", gone.id)
    world.as_auth_service("update auth.users set email = null where id = %s", nameless.id)
    assert summarize(queue) == {"users": 2, "staged": 1, "unsubscribed": 1, "failed": 0}
    assert [mail["to"] for mail in queued(world, "daily_summary")] == ["grace@example.com"]
    ada.rows("select set_email_preference('daily_summary', true)")
    assert summarize(queue)["staged"] == 1, "the same day, since she changed her mind"


def break_for(world: World, user_id: uuid.UUID | None, sqlstate: str) -> None:
    """Mail of this user, or of everybody, cannot be staged any more."""
    world.as_dba("""
        create function jobs.break_mail() returns trigger language plpgsql volatile set search_path = '' as $$
        begin
            if new.user_id = coalesce(tg_argv[0]::uuid, new.user_id) then
                raise exception 'no mail for %%', new."to" using errcode = tg_argv[1];
            end if;
            return new;
        end $$
    """)
    argument = "null" if user_id is None else f"'{user_id}'"
    with psycopg.connect(world.database_url) as connection:
        connection.execute(
            "create trigger _050_break before insert on jobs.emails for each row"
            f" execute function jobs.break_mail({argument}, '{sqlstate}')".encode()
        )


def repair(world: World) -> None:
    world.as_dba("drop function jobs.break_mail() cascade")


def failures(caller: Person | World) -> list[Row]:
    query: LiteralString = "select * from public.job_run_failures order by error"
    return caller.as_dba(query) if isinstance(caller, World) else caller.rows(query)


def test_users_who_fail_are_recorded_and_stop_nobody(queue: Queue) -> None:
    world = queue.world
    people = [pro(world, f"p{n}") for n in range(9)]
    world.as_dba("update public.profiles set email = 'no address' where id = %s", people[0].id)
    break_for(world, people[5].id, "P0001")
    assert summarize(queue) == {"users": 9, "staged": 7, "unsubscribed": 0, "failed": 2}
    run = last_run(queue)
    assert (run["status"], run["error"]) == ("done", "2 users failed: see job_run_failures.")
    recorded = failures(world)
    assert {row["subject"] for row in recorded} == {f"user {people[n].id}" for n in (0, 5)}
    assert {row["run_id"] for row in recorded} == {run["id"]}
    assert [row["error"] for row in recorded] == [
        "P0001", "no address that mail can be sent to",
    ]  # fmt: skip
    assert not any(person.email in json.dumps(recorded, default=str) for person in people)

    admin = people[1]
    world.as_dba("update public.profiles set role = 'admin' where id = %s", admin.id)
    assert len(failures(admin)) == 2
    assert failures(people[2]) == []
    with refused("42501"):
        world.anon.rows("select * from public.job_run_failures")

    repair(world)
    world.as_dba(
        "select jobs.enqueue(kind, jsonb_build_object('schedule', schedule, 'slot', slot)) from job_runs"
    )
    assert queue.run(claim(queue)) == "done"
    assert [row["subject"] for row in failures(world)] == [f"user {people[0].id}"]
    assert len(mails(world, "daily_summary")) == 8


@pytest.mark.parametrize("sqlstate", ["53100", "40001", "XX001"])
def test_what_is_the_databases_fault_is_tried_again_as_a_whole(queue: Queue, sqlstate: str) -> None:
    world = queue.world
    ada = pro(world, "ada")
    pro(world, "grace")
    break_for(world, ada.id, sqlstate)
    assert queue.run(fire(queue)) == "retry"
    assert mails(world, "daily_summary") == failures(world) == []
    repair(world)
    queue.pass_time()
    assert queue.run(claim(queue)) == "done"
    assert len(queued(world, "daily_summary")) == 2


def test_when_everybody_fails_it_is_not_the_users(queue: Queue) -> None:
    world = queue.world
    pro_addresses(world, [f"p{n}@example.com" for n in range(1001)])
    break_for(world, None, "P0001")
    assert queue.run(fire(queue)) == "retry"
    assert "it is not the users" in last_run(queue)["error"]
    assert failures(world) == []


def test_a_job_that_is_no_run_of_a_schedule_mails_nobody(queue: Queue) -> None:
    pro(queue.world, "ada")
    queue.stage("identity.daily_summary", {"slot": "2026-03-02T03:00:00Z", "schedule": "daily_summary"})
    assert queue.run(claim(queue)) == "retry"
    assert mails(queue.world, "daily_summary") == []


@pytest.mark.parametrize(("title", "told"), [("short", 20), ("\N{GRINNING FACE}" * 500, 6)])
def test_a_mail_stays_readable_however_much_happened(queue: Queue, title: str, told: int) -> None:
    """Long names in 25 organizations: what fits is told, the rest is counted."""
    world = queue.world
    ada = pro(world, "ada")
    world.as_dba(
        "with o as (insert into public.organizations (name, slug)"
        " select 'Organization ' || n, 'organization-' || n from generate_series(1, 25) as n returning id)"
        " insert into public.memberships (organization_id, user_id, role) select id, %s, 'owner' from o",
        ada.id,
    )
    world.as_dba(
        "insert into public.projects (user_id, organization_id, name)"
        " select %s, id, left(%s, 200) from public.organizations",
        ada.id, title,
    )  # fmt: skip
    world.as_dba(
        "insert into public.tasks (project_id, title)"
        " select p.id, %s from public.projects as p, generate_series(1, 12)",
        title,
    )
    task(ada, project(ada, "Mine"), "comes first")
    assert summarize(queue)["staged"] == 1
    params = queued(world, "daily_summary")[0]["params"]
    private, *shared = params["scopes"]
    assert private["items"] == [{"project": "Mine", "title": "comes first", "status": "todo"}]
    assert (len(params["scopes"]), len(shared) + params["remaining"]) == (told, 25)
    for scope in shared:
        assert len(scope["items"]) == 10
        assert scope["items"][0]["title"] == (title if told == 20 else title[:119] + "…")


def test_the_scratch_paper_is_empty_after_each_run(queue: Queue) -> None:
    ada = pro(queue.world, "ada")
    task(ada, project(ada, "Notes"), "a task")
    summarize(queue)
    assert queue.world.as_dba("select * from identity.activity_summaries") == []


def test_any_number_of_bad_addresses_stops_nobody(queue: Queue) -> None:
    world = queue.world
    ada = pro(world, "ada")
    pro_addresses(world, [f"a,b{n}@example.com" for n in range(1001)])
    assert summarize(queue) == {"users": 1002, "staged": 1, "unsubscribed": 0, "failed": 1001}
    assert [mail["to"] for mail in queued(world, "daily_summary")] == [ada.email]
