"""Roles are handed out by super admins, as the database knows them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.acting import Caller, Person, World, refused


def _super_admin(world: World, name: str) -> Person:
    person = world.person(name)
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", person.id)
    return person


def test_a_super_admin_sets_roles(world: World) -> None:
    root, ada = _super_admin(world, "root"), world.person("ada")
    assert root.row("select * from admin_set_role(%s, 'admin')", ada.id)["role"] == "admin"
    assert ada.row("select role from profiles") == {"role": "admin"}


def test_nobody_else_does(world: World) -> None:
    root, admin, user = _super_admin(world, "root"), world.person("admin"), world.person("user")
    root.rows("select admin_set_role(%s, 'admin')", admin.id)
    for caller in (admin, user):
        with refused("forbidden"):
            caller.rows("select admin_set_role(%s, 'super_admin')", caller.id)
    for outsider in (world.anon, world.service):
        with refused("42501"):
            outsider.rows("select admin_set_role(%s, 'super_admin')", user.id)


def test_a_claim_that_the_database_does_not_confirm_is_worth_nothing(world: World) -> None:
    mallory = world.person("mallory")
    lies = {"user_role": "super_admin", "app_metadata": {"role": "super_admin"}, "subscription_tier": "pro"}
    liar = Caller(world.authenticator_url, "authenticated", mallory.claims | lies)
    with refused("forbidden"):
        liar.rows("select admin_set_role(%s, 'super_admin')", mallory.id)


def test_bad_input_is_typed(world: World) -> None:
    root, ada = _super_admin(world, "root"), world.person("ada")
    with refused("validation_failed", field="role"):
        root.rows("select admin_set_role(%s, 'emperor')", ada.id)
    with refused("validation_failed", field="role"):
        root.rows("select admin_set_role(%s, null)", ada.id)
    with refused("not_found"):
        root.rows("select admin_set_role(gen_random_uuid(), 'admin')")


def test_the_last_super_admin_stays(world: World) -> None:
    root = _super_admin(world, "root")
    with refused("invalid_state", rule="a_super_admin_remains"):
        root.rows("select admin_set_role(%s, 'user')", root.id)
    with refused("invalid_state", rule="a_super_admin_remains"):
        world.as_auth_service("delete from auth.users where id = %s", root.id)
    second = _super_admin(world, "second")
    root.rows("select admin_set_role(%s, 'user')", root.id)
    assert second.row("select role from profiles") == {"role": "super_admin"}


def test_a_demotion_under_way_cannot_be_undone_by_the_demoted(world: World) -> None:
    first, second = _super_admin(world, "first"), _super_admin(world, "second")

    def promote_oneself() -> str | None:
        with pytest.raises(psycopg.Error) as caught:
            second.rows("select admin_set_role(%s, 'super_admin')", second.id)
        return caught.value.diag.message_primary

    with ThreadPoolExecutor(1) as threads:
        with first.transaction() as connection:
            connection.execute("select admin_set_role(%s, 'user')", [second.id])
            attempt = threads.submit(promote_oneself)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=0.5)
        assert attempt.result(timeout=30) == "forbidden"
    assert second.row("select role from profiles") == {"role": "user"}


def test_two_super_admins_who_demote_each_other_at_once_do_not_both_succeed(world: World) -> None:
    for round_ in range(5):
        pair = [_super_admin(world, f"a{round_}"), _super_admin(world, f"b{round_}")]
        world.as_dba(
            "update public.profiles set role = 'user' where role = 'super_admin' and id <> all (%s)",
            [p.id for p in pair],
        )

        def demote(who: tuple[Person, Person]) -> str:
            try:
                who[0].rows("select admin_set_role(%s, 'user')", who[1].id)
            except psycopg.Error as error:
                return error.diag.message_primary or ""
            return "done"

        with ThreadPoolExecutor(2) as threads:
            outcomes = sorted(threads.map(demote, [(pair[0], pair[1]), (pair[1], pair[0])]))
        assert outcomes in (["done", "invalid_state"], ["done", "forbidden"]), outcomes
        (left,) = world.as_dba("select count(*) as n from public.profiles where role = 'super_admin'")
        assert left["n"] == 1
