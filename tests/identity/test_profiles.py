"""A client may change its name and nothing else about itself, by grant, by policy and by trigger."""

import psycopg
import pytest
from psycopg import sql

from tests.acting import World, refused

PRIVILEGED = {
    "id": "00000000-0000-4000-8000-00000000dead",
    "email": "victim@example.com",
    "role": "super_admin",
    "subscription_tier": "pro",
    "created_at": "2000-01-01",
    "updated_at": "2000-01-01",
    "deleted_at": "2000-01-01",
}


def test_people_rename_themselves(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    assert ada.count("update profiles set name = 'Ada'") == 1
    assert ada.row("select name from profiles") == {"name": "Ada"}
    assert grace.row("select name from profiles") == {"name": None}


@pytest.mark.parametrize("column", PRIVILEGED)
def test_the_grant_keeps_every_other_column(world: World, column: str) -> None:
    ada = world.person("ada")
    update = sql.SQL("update profiles set {} = %s").format(sql.Identifier(column))
    with refused("42501"), ada.transaction() as connection:
        connection.execute(update, [PRIVILEGED[column]])


@pytest.mark.parametrize("column", ["email", "role", "subscription_tier", "deleted_at"])
@pytest.mark.parametrize("wall", ["policy", "trigger"])
def test_policy_and_trigger_each_hold_alone_when_the_grant_is_too_wide(
    world: World, column: str, wall: str
) -> None:
    ada = world.person("ada")
    world.as_dba("grant update on public.profiles to authenticated")
    if wall == "policy":
        world.as_dba("alter table public.profiles disable trigger _100_refuse_self_promotion")
    else:
        world.as_dba("drop policy update_own on public.profiles")
        world.as_dba(
            "create policy update_anything on public.profiles for update to authenticated using (true)"
        )
    update = sql.SQL("update profiles set {} = %s").format(sql.Identifier(column))
    with refused("42501" if wall == "policy" else "forbidden"), ada.transaction() as connection:
        connection.execute(update, [PRIVILEGED[column]])


def test_clients_neither_insert_nor_delete_profiles(world: World) -> None:
    for caller in (world.anon, world.person("ada"), world.service):
        with refused("42501"):
            caller.rows("insert into profiles (id) values (gen_random_uuid())")
        with refused("42501"):
            caller.rows("delete from profiles")


def test_upserts_are_refused(world: World) -> None:
    ada = world.person("ada")
    with refused("42501"):
        ada.rows(
            "insert into profiles (id, name) values (%s, 'x') on conflict (id) do update set role = 'admin'",
            ada.id,
        )


def test_id_and_creation_are_fixed_even_for_the_owner_of_the_table(world: World) -> None:
    ada = world.person("ada")
    for column in ("id", "created_at"):
        update = sql.SQL("update public.profiles set {} = %s where id = %s").format(sql.Identifier(column))
        with refused("forbidden"), psycopg.connect(world.database_url) as connection:
            connection.execute(update, [PRIVILEGED[column], ada.id])
