"""What the app tells people: only they read it, and all they change is whether it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.acting import Person, World, refused
from tests.identity.mails import told
from tests.identity.organizations import found, join
from tests.jobs.queueing import Queue

NOTIFY = "select identity.notify(%s, 'greeting', '{\"n\": 1}', %s)"


def notify(world: World, person: Person, *causes: str) -> None:
    for cause in causes:
        world.as_dba(NOTIFY, person.id, cause)


def test_people_see_read_and_delete_their_own_only(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    notify(world, ada, "a", "b")
    assert told(ada) == [("greeting", {"n": 1})] * 2
    for other in (grace,):
        assert other.rows("select * from notifications") == []
        assert other.count("update notifications set read_at = now()") == 0
        assert other.count("delete from notifications") == 0
    with refused("42501"):
        world.anon.rows("select * from notifications")
    assert ada.count("delete from notifications where dedupe_key = 'a'") == 1
    assert world.as_dba("select dedupe_key from public.notifications") == [{"dedupe_key": "b"}]


def test_one_cause_tells_a_person_once(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    notify(world, ada, "a", "a")
    notify(world, grace, "a")
    assert [len(told(person)) for person in (ada, grace)] == [1, 1]


def test_the_database_says_when_it_was_read_first(world: World) -> None:
    ada = world.person("ada")
    notify(world, ada, "a")
    before = datetime.now(UTC)
    ada.rows("update notifications set read_at = '2001-01-01'")
    first = ada.row("select read_at from notifications")["read_at"]
    assert before - timedelta(seconds=1) < first <= datetime.now(UTC)
    ada.rows("update notifications set read_at = 'infinity'")
    assert ada.row("select read_at from notifications")["read_at"] == first
    ada.rows("update notifications set read_at = null")
    assert ada.row("select read_at from notifications")["read_at"] is None


@pytest.mark.parametrize(
    "statement",
    [
        "update notifications set data = '{}'",
        "update notifications set user_id = gen_random_uuid()",
        "insert into notifications (user_id, kind, dedupe_key) values (auth.uid(), 'forged', 'x')",
        "select identity.notify(auth.uid(), 'forged', '{}', 'x')",
    ],
)
def test_nobody_writes_notifications(world: World, statement: str) -> None:
    ada = world.person("ada")
    notify(world, ada, "a")
    for caller in (ada, world.service, world.anon):
        with refused("42501"):
            caller.rows(statement)


def test_not_even_a_wrong_grant_rewrites_one(world: World) -> None:
    ada = world.person("ada")
    notify(world, ada, "a")
    world.as_dba("grant update on public.notifications to authenticated")
    with refused("forbidden"):
        ada.rows("update notifications set data = '{\"n\": 2}'")


def test_all_of_mine_are_marked_at_once(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    notify(world, ada, "a", "b", "c")
    notify(world, grace, "a")
    ada.rows("update notifications set read_at = now() where dedupe_key = 'a'")
    assert ada.row("select mark_notifications_read() as n") == {"n": 2}
    assert ada.row("select mark_notifications_read() as n") == {"n": 0}
    assert ada.rows("select id from notifications where read_at is null") == []
    assert grace.row("select read_at from notifications") == {"read_at": None}
    with refused("42501"):
        world.anon.rows("select mark_notifications_read()")


def test_deleted_people_are_told_nothing_and_keep_nothing(world: World) -> None:
    ada = world.person("ada")
    notify(world, ada, "a")
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    notify(world, ada, "b")
    assert world.as_dba("select * from public.notifications") == []
    with refused("not_authenticated"):
        ada.rows("select mark_notifications_read()")


def test_old_ones_go(queue: Queue) -> None:
    ada = queue.world.person("ada")
    queue.world.as_dba(
        "insert into public.notifications (user_id, kind, dedupe_key, created_at, read_at)"
        " select %s, 'greeting', d.key, now() - d.made, now() - d.read from (values"
        " ('read long ago', interval '91 days', interval '91 days'),"
        " ('read lately', interval '200 days', interval '89 days'),"
        " ('unread', interval '399 days', null),"
        " ('too old', interval '401 days', null)) as d (key, made, read)",
        ada.id,
    )
    assert queue.ask("select edge.fire_schedule('clean_up_identity', now())") == "fired"
    (job,) = queue.claim()
    assert queue.run(job) == "done"
    (run,) = queue.world.as_dba("select counts from public.job_runs")
    assert run["counts"] == {"notifications": 2}
    left = {row["dedupe_key"] for row in ada.rows("select dedupe_key from notifications")}
    assert left == {"read lately", "unread"}


def test_members_hear_what_others_did_to_their_membership(world: World) -> None:
    owner, ada = world.person("owner"), world.person("ada")
    organization = found(owner)
    join(owner, organization, ada, "member")
    ada.rows("delete from notifications")
    owner.rows("select set_member_role(%s, %s, 'admin')", organization, ada.id)
    owner.rows("select transfer_ownership(%s, %s)", organization, ada.id)
    ada.rows("select remove_member(%s, %s)", organization, owner.id)
    about = {"organization_id": str(organization), "organization": "Engines"}
    assert told(ada) == [
        ("membership_role_changed", about | {"role": "admin"}),
        ("ownership_received", about | {"role": "owner"}),
    ]
    assert told(owner)[-1] == ("membership_removed", about)
    assert ("membership_role_changed", about | {"role": "admin"}) not in told(owner), "their own doing"


def test_nobody_is_told_what_they_did_themselves(world: World) -> None:
    owner, ada = world.person("owner"), world.person("ada")
    organization = found(owner)
    join(owner, organization, ada, "admin")
    ada.rows("delete from notifications")
    ada.rows("select set_member_role(%s, %s, 'member')", organization, ada.id)
    ada.rows("select leave_organization(%s)", organization)
    assert told(ada) == []


def test_the_heir_of_a_deleted_owner_and_members_of_a_deleted_organization_are_told(world: World) -> None:
    owner, heir, member = (world.person(n) for n in ("owner", "heir", "member"))
    organization = found(owner)
    join(owner, organization, heir, "admin")
    join(owner, organization, member, "member")
    for person in (heir, member):
        person.rows("delete from notifications")
    world.as_auth_service("delete from auth.users where id = %s", owner.id)
    heir.rows("select delete_organization(%s)", organization)
    assert [kind for kind, _ in told(heir)] == ["ownership_received"]
    assert [kind for kind, _ in told(member)] == ["membership_removed"]
