"""The token hook tells the app what the database knows, and nothing about people who are gone."""

import json

import psycopg
import pytest

from tests.acting import World, refused
from tests.billing.subscribing import subscribe


def _hook(world: World, user_id: object) -> dict[str, object]:
    event = {"user_id": str(user_id), "claims": {"sub": str(user_id), "role": "authenticated"}}
    (row,) = world.as_auth_service(
        "select identity.custom_access_token_hook(%s) as result", json.dumps(event)
    )
    result: dict[str, object] = row["result"]
    return result


def test_claims_carry_role_and_tier(world: World) -> None:
    ada = world.person("ada")
    world.as_dba("update public.profiles set role = 'admin' where id = %s", ada.id)
    subscribe(world, ada.id)
    assert _hook(world, ada.id)["claims"] == {
        "sub": str(ada.id),
        "role": "authenticated",
        "user_role": "admin",
        "subscription_tier": "pro",
    }


def test_metadata_that_would_make_every_request_too_large_stays_out(world: World) -> None:
    ada = world.person("ada")
    for size, kept in ((100, True), (100_000, False)):
        event = {"user_id": str(ada.id), "claims": {"user_metadata": {"x": "y" * size}}}
        (row,) = world.as_auth_service("select identity.custom_access_token_hook(%s) as r", json.dumps(event))
        assert bool(row["r"]["claims"]["user_metadata"]) is kept


def test_a_deleted_person_gets_no_token(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert "error" in _hook(world, ada.id)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_clients_cannot_call_it(world: World, role: str) -> None:
    caller = {"anon": world.anon, "authenticated": world.person("ada"), "service_role": world.service}[role]
    with refused("42501"):
        caller.rows("select identity.custom_access_token_hook('{}')")


def test_edge_me_is_the_database_view_of_the_caller(world: World) -> None:
    ada = world.person("ada", metadata={"name": "Ada"})
    assert ada.row("select edge.me() as me")["me"] == {
        "user_id": str(ada.id),
        "email": ada.email,
        "name": "Ada",
        "role": "user",
        "subscription_tier": "free",
    }
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    with refused("not_authenticated"):
        ada.rows("select edge.me()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.anon.rows("select edge.me()")
