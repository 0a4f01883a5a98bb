"""Deleting a person forgets the person and keeps the history."""

from tests.acting import World, refused
from tests.identity.organizations import found, invite, join

DELETE = "delete from auth.users where id = %s"


def test_the_profile_is_anonymous_and_the_person_sees_nothing_any_more(world: World) -> None:
    ada = world.person("ada", metadata={"name": "Ada"})
    project = ada.row("insert into projects (name) values ('Private') returning id")
    ada.rows("insert into tasks (project_id) values (%s)", project["id"])
    world.as_auth_service(DELETE, ada.id)
    (profile,) = world.as_dba(
        "select email, name, role, deleted_at is not null as deleted from public.profiles"
    )
    assert profile == {"email": None, "name": None, "role": "user", "deleted": True}
    for query in (
        "select id from profiles",
        "select id from projects",
        "select id from tasks",
        "select user_id from memberships",
    ):
        assert ada.rows(query) == []
    for call in ("select create_organization('x')", "select edge.me()"):
        with refused("not_authenticated"):
            ada.rows(call)


def test_a_token_that_outlived_its_person_writes_nothing(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(grace)
    join(grace, organization, ada, "member")
    shared = ada.row(
        "insert into projects (name, organization_id) values ('Shared', %s) returning id", organization
    )
    world.as_auth_service(DELETE, ada.id)
    with refused("not_authenticated"):
        ada.rows("insert into projects (name) values ('ghost')")
    with refused("not_authenticated"):
        ada.rows("insert into projects (name, organization_id) values ('ghost', %s)", organization)
    with refused("not_found"):
        ada.rows("insert into tasks (project_id) values (%s)", shared["id"])
    assert ada.count("update projects set name = 'ghost'") == 0
    assert ada.count("update profiles set name = 'ghost'") == 0
    assert [row["name"] for row in world.as_dba("select name from public.projects")] == ["Shared"]


def test_nothing_that_a_person_wrote_for_themselves_is_kept(world: World) -> None:
    ada = world.person("ada")
    project = ada.row("insert into projects (name, data) values ('Secret', '{\"pin\": 1}') returning id")
    ada.rows("insert into tasks (project_id, title) values (%s, 'Secret')", project["id"])
    ada.rows("delete from projects")
    world.as_auth_service(DELETE, ada.id)
    assert world.as_dba("select name, data from public.projects") == [{"name": "Deleted", "data": {}}]
    assert world.as_dba("select title from public.tasks") == [{"title": ""}]


def test_a_soft_deletion_by_the_auth_service_counts_as_well(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service("update auth.users set deleted_at = now() where id = %s", ada.id)
    assert ada.rows("select * from profiles") == []
    world.as_auth_service(DELETE, ada.id)
    assert len(world.as_dba("select * from public.profiles where email is null")) == 1


def test_shared_work_stays_and_the_organization_gets_a_new_owner(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    join(ada, organization, alan, "member")
    join(ada, organization, grace, "admin")
    ada.rows("insert into projects (name, organization_id) values ('Shared', %s)", organization)
    world.as_auth_service(DELETE, ada.id)
    assert grace.row("select role from memberships where user_id = auth.uid()") == {"role": "owner"}
    assert len(alan.rows("select * from memberships")) == 2
    assert alan.row("select name, user_id from projects") == {"name": "Shared", "user_id": ada.id}


def test_an_organization_without_anybody_is_deleted_with_its_last_member(world: World) -> None:
    ada = world.person("ada")
    found(ada)
    world.as_auth_service(DELETE, ada.id)
    (organization,) = world.as_dba("select deleted_at is not null as deleted from public.organizations")
    assert organization == {"deleted": True}


def test_open_invitations_of_and_to_the_person_close_and_its_address_is_forgotten(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    join(ada, organization, grace, "owner")
    by_ada, to_ada = invite(ada, organization, alan.email), invite(grace, found(grace, "Wires"), ada.email)
    world.as_auth_service(DELETE, ada.id)
    with refused("invalid_state", reason="revoked"):
        alan.rows("select accept_invitation(%s)", by_ada)
    again = world.person("ada")
    with refused("forbidden"):
        again.rows("select accept_invitation(%s)", to_ada)
    assert world.as_dba("select * from public.invitations where email = 'ada@example.com'") == []
    assert len(again.rows("select * from profiles")) == 1


def test_a_profile_cannot_be_deleted_while_history_refers_to_it(world: World) -> None:
    ada = world.person("ada")
    ada.rows("insert into projects (name) values ('Notes')")
    with refused("23503"):
        world.as_dba("delete from public.profiles where id = %s", ada.id)


def test_a_bounced_address_does_not_outlive_its_owner(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    for person in (ada, grace):
        world.as_dba("insert into jobs.bounced_addresses values (%s, '550 5.1.1')", person.email)
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert world.as_dba("select address from jobs.bounced_addresses") == [{"address": grace.email}]
