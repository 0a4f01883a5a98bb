"""Organizations: founded by anyone, seen by members, renamed by admins."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from tests.acting import World, refused
from tests.identity.organizations import found, invite, join


def test_the_founder_is_the_owner(world: World) -> None:
    ada = world.person("ada")
    organization = ada.row("select * from create_organization('Analytical Engines & Co.')")
    assert organization["slug"] == "analytical-engines-co"
    assert organization["subscription_tier"] == "free"
    assert ada.row("select * from organizations") == organization
    membership = ada.row("select organization_id, user_id, role from memberships")
    assert membership == {"organization_id": organization["id"], "user_id": ada.id, "role": "owner"}


def test_owners_delete_their_organization_for_everyone(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    join(ada, organization, grace, "admin")
    token = invite(ada, organization, alan.email)
    ada.rows("insert into projects (name, organization_id) values ('Shared', %s)", organization)
    with refused("forbidden"):
        grace.rows("select delete_organization(%s)", organization)
    with refused("not_found"):
        alan.rows("select delete_organization(%s)", organization)
    ada.rows("select delete_organization(%s)", organization)

    for person in (ada, grace):
        assert person.rows("select id from organizations") == []
        assert person.rows("select user_id from memberships") == []
        assert person.rows("select id from projects") == []
        assert person.rows("select user_id from organization_members(%s)", organization) == []
        with refused("42501"):
            person.rows("insert into projects (name, organization_id) values ('Ghost', %s)", organization)
        with refused("not_found"):
            invite(person, organization, "x@example.com")
    with refused("invalid_state", reason="revoked"):
        alan.rows("select accept_invitation(%s)", token)
    with refused("conflict", field="slug"):
        alan.rows("select create_organization('Squatter', 'engines')")


def test_a_name_must_be_given(world: World) -> None:
    with refused("validation_failed", field="name"):
        world.person("ada").rows("select create_organization(null)")


def test_slugs(world: World) -> None:
    ada = world.person("ada")
    ada.rows("select create_organization('Engines', 'engines')")
    with refused("conflict", field="slug"):
        ada.rows("select create_organization('Other', 'engines')")
    derived = ada.row("select * from create_organization('Engines')")["slug"]
    assert derived.startswith("engines-")
    assert derived != "engines"
    assert ada.row("select * from create_organization('数学')")["slug"].isalnum()
    for slug in ("", "x", "-a", "a-", "a--b", "Ab", "a b", "ä" * 5, "a" * 64, "a\nb"):
        with refused("validation_failed", field="slug"):
            ada.rows("select create_organization('Engines', %s)", slug)


def test_parallel_founders_of_one_slug(world: World) -> None:
    people = [world.person(f"p{i}") for i in range(8)]

    def create(index: int) -> str:
        try:
            people[index].rows("select create_organization('Same', 'same')")
        except psycopg.Error as error:
            return error.diag.message_primary or ""
        return "done"

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(create, range(8))) == ["conflict"] * 7 + ["done"]


def test_strangers_see_nothing(world: World) -> None:
    ada, mallory = world.person("ada"), world.person("mallory")
    organization = found(ada)
    assert mallory.rows("select * from organizations") == []
    assert mallory.rows("select * from memberships") == []
    assert mallory.rows("select * from organization_members(%s)", organization) == []
    with refused("42501"):
        world.anon.rows("select * from organizations")


def test_admins_rename_and_members_do_not(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    join(ada, organization, grace, "admin")
    join(ada, organization, alan, "member")
    assert grace.count("update organizations set name = 'Renamed' where id = %s", organization) == 1
    assert alan.count("update organizations set name = 'Mine' where id = %s", organization) == 0
    assert alan.row("select name from organizations") == {"name": "Renamed"}


@pytest.mark.parametrize("column", ["id", "slug", "subscription_tier", "created_at", "deleted_at"])
def test_owners_set_nothing_but_the_name(world: World, column: str) -> None:
    ada = world.person("ada")
    found(ada)
    with refused("42501"), ada.transaction() as connection:
        connection.execute(sql.SQL("update organizations set {} = default").format(sql.Identifier(column)))


def test_the_trigger_keeps_the_tier_even_under_a_grant_that_is_too_wide(world: World) -> None:
    ada = world.person("ada")
    found(ada)
    world.as_dba("grant update on public.organizations to authenticated")
    with refused("forbidden"):
        ada.rows("update organizations set subscription_tier = 'pro'")


def test_tables_are_written_through_functions_only(world: World) -> None:
    ada = world.person("ada")
    organization = found(ada)
    for caller in (ada, world.service, world.anon):
        with refused("42501"):
            caller.rows("insert into organizations (name, slug) values ('x', 'xx')")
        with refused("42501"):
            caller.rows("delete from organizations")
        with refused("42501"):
            caller.rows(
                "insert into memberships (organization_id, user_id) values (%s, %s)", organization, ada.id
            )
        with refused("42501"):
            caller.rows("update memberships set role = 'owner'")
        with refused("42501"):
            caller.rows("delete from memberships")


def test_members_list_each_other_by_name(world: World) -> None:
    ada, grace = world.person("ada", metadata={"name": "Ada"}), world.person("grace")
    organization = found(ada)
    join(ada, organization, grace, "member")
    members = grace.rows("select * from organization_members(%s)", organization)
    assert [(m["name"], m["email"], m["role"]) for m in members] == [
        ("Ada", "ada@example.com", "owner"),
        (None, "grace@example.com", "member"),
    ]
    assert len(grace.rows("select * from profiles")) == 1
