"""The owner of an account hears of a new password, address or role; and nothing stops those."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

import psycopg
import pytest

from tests.acting import Person, World
from tests.identity.mails import mails, queued, told

PASSWORD: LiteralString = "update auth.users set encrypted_password = %s where id = %s"
ADDRESS: LiteralString = "update auth.users set email = %s where id = %s"


def test_a_new_password_is_noticed_each_time(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service(PASSWORD, "first", ada.id)
    assert mails(world, "password_changed") == [], "the first one is no change"
    for password in ("second", "second", "third"):
        world.as_auth_service(PASSWORD, password, ada.id)
    noticed = mails(world, "password_changed")
    assert [(mail["to"], mail["user_id"]) for mail in noticed] == [(ada.email, ada.id)] * 2
    assert list(noticed[0]["params"]) == ["changed_at"]
    assert told(ada) == [("password_changed", {})] * 2


def test_the_same_event_twice_in_a_transaction_is_one(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service(PASSWORD, "first", ada.id)
    with psycopg.connect(world.superuser_url) as connection:
        connection.execute("set local role supabase_auth_admin")
        for password in ("second", "third"):
            connection.execute(PASSWORD, [password, ada.id])
    assert len(mails(world, "password_changed")) == len(told(ada)) == 1


def test_a_new_address_is_noticed_at_the_old_one_and_masked(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service(ADDRESS, "mallory@elsewhere.example", ada.id)
    (mail,) = mails(world, "email_changed")
    assert (mail["to"], mail["user_id"]) == (ada.email, ada.id)
    assert mail["params"]["new_address"] == "m***@elsewhere.example"
    assert told(ada) == [("email_changed", {"new_address": "m***@elsewhere.example"})]
    world.as_auth_service(ADDRESS, None, ada.id)
    assert mails(world, "email_changed")[-1]["params"]["new_address"] is None


def test_an_address_that_nobody_confirmed_and_other_spelling_are_no_change(world: World) -> None:
    ada, grace = world.person("ada", confirmed=False), world.person("grace")
    world.as_auth_service(ADDRESS, "ada@elsewhere.example", ada.id)
    world.as_auth_service(ADDRESS, "Grace@Example.com", grace.id)
    assert mails(world, "email_changed") == []
    assert told(ada) == told(grace) == []


@pytest.mark.parametrize("address", ["no address", "a,b@example.com", None])
def test_no_address_stops_a_change(world: World, address: str | None) -> None:
    ada = world.person("ada")
    world.as_auth_service(PASSWORD, "first", ada.id)
    world.as_auth_service(ADDRESS, address, ada.id)
    world.as_auth_service(PASSWORD, "second", ada.id)
    world.as_auth_service(ADDRESS, "back@example.com", ada.id)
    assert mails(world, "password_changed") == []
    assert [mail["to"] for mail in mails(world, "email_changed")] == [ada.email]
    assert sorted(kind for kind, _ in told(ada)) == ["email_changed", "email_changed", "password_changed"]


def _by_super_admin(world: World, ada: Person) -> None:
    root = world.person("root")
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", root.id)
    root.rows("select admin_set_role(%s, 'admin')", ada.id)


def _by_dba(world: World, ada: Person) -> None:
    world.as_dba("update public.profiles set role = 'admin' where id = %s", ada.id)


@pytest.mark.parametrize("change", [_by_super_admin, _by_dba])
def test_a_new_role_is_noticed_whoever_gave_it(world: World, change: Callable[[World, Person], None]) -> None:
    ada = world.person("ada")
    change(world, ada)
    (mail,) = [mail for mail in mails(world, "role_changed") if mail["user_id"] == ada.id]
    assert (mail["to"], mail["params"]["role"]) == (ada.email, "admin")
    assert told(ada) == [("role_changed", {"role": "admin"})]


def test_renaming_oneself_is_no_news(world: World) -> None:
    ada = world.person("ada")
    ada.rows("update profiles set name = 'Ada'")
    assert world.as_dba("select * from jobs.emails") == []
    assert told(ada) == []


def test_a_deletion_is_not_announced(world: World) -> None:
    """The soft deletion of the auth service scrambles address and password in the same statement."""
    ada, grace = world.person("ada"), world.person("grace")
    for person in (ada, grace):
        world.as_auth_service(PASSWORD, "first", person.id)
        _by_dba(world, person)
    assert len(queued(world, "role_changed")) == 2
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    world.as_auth_service(
        "update auth.users set deleted_at = now(), email = 'scrambled', encrypted_password = ''"
        " where id = %s",
        grace.id,
    )
    assert world.as_dba("select * from jobs.emails where status = 'queued'") == []
    assert world.as_dba("select * from public.notifications") == []
