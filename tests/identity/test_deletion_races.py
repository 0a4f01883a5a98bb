"""Whatever a person began when they are deleted either counts before, or never happens."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import LiteralString

import psycopg
import pytest

from tests.acting import Person, World
from tests.identity.organizations import found, invite, join

DELETE = "delete from auth.users where id = %s"


def _delete_waits(world: World, person: Person, threads: ThreadPoolExecutor) -> Future[object]:
    """Start the deletion and return once it hangs on a lock."""
    deletion: Future[object] = threads.submit(world.as_auth_service, DELETE, person.id)
    for _ in range(200):
        waiting = world.as_dba(
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        if waiting:
            return deletion
        time.sleep(0.02)
    raise AssertionError("the deletion did not wait for the open transaction")


def _ghosts(world: World) -> list[dict[str, object]]:
    return world.as_dba(
        "select m.organization_id from public.memberships as m join public.profiles as p on p.id = m.user_id"
        " where p.deleted_at is not null"
        " union all select p.id from public.projects as p join public.profiles as o on o.id = p.user_id"
        " where o.deleted_at is not null and p.deleted_at is null and p.organization_id is null"
    )


@pytest.mark.parametrize(
    "beginning",
    ["select create_organization('Ghosts')", "insert into projects (name) values ('Ghosts')", "accept"],
)
def test_the_deletion_waits_for_what_is_under_way_and_then_takes_it_along(
    world: World, beginning: LiteralString
) -> None:
    owner, grace = world.person("owner"), world.person("grace")
    organization = found(owner)
    token = invite(owner, organization, grace.email, "owner")
    with ThreadPoolExecutor(1) as threads:
        with grace.transaction() as connection:
            if beginning == "accept":
                connection.execute("select accept_invitation(%s)", [token])
            else:
                connection.execute(beginning)
            deletion = _delete_waits(world, grace, threads)
        deletion.result(timeout=30)
    assert _ghosts(world) == []
    assert [row["role"] for row in owner.rows("select role from memberships")] == ["owner"]


def test_many_beginnings_and_deletions_at_once_leave_no_ghost(world: World) -> None:
    people = [world.person(f"p{i}") for i in range(12)]

    def begin(person: Person) -> None:
        with suppress(psycopg.Error):  # refused where the deletion came first
            person.rows("select create_organization('Ghosts')")
            person.rows("insert into projects (name) values ('Ghosts')")

    with ThreadPoolExecutor(8) as threads:
        work: list[Future[object]] = []
        for person in people:
            work.append(threads.submit(begin, person))
            work.append(threads.submit(world.as_auth_service, DELETE, person.id))
        for future in work:
            future.result(timeout=60)
    assert _ghosts(world) == []


def test_people_who_own_each_others_organizations_are_deleted_at_once(world: World) -> None:
    for _ in range(6):
        tag = uuid.uuid4().hex[:6]
        u, v = world.person(f"u{tag}"), world.person(f"v{tag}")
        a, b = found(u), found(v)
        join(u, a, v, "member")
        join(v, b, u, "member")
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda person: world.as_auth_service(DELETE, person.id), (u, v)))
    assert world.as_dba("select id from public.organizations where deleted_at is null") == []
    assert world.as_dba("select user_id from public.memberships") == []
