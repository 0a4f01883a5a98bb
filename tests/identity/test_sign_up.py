"""Auth users and profiles change together."""

import pytest

from tests.acting import World, refused


def test_sign_up_makes_a_free_user(world: World) -> None:
    ada = world.person("ada", metadata={"name": "Ada Lovelace"})
    profile = ada.row("select * from profiles")
    assert (profile["id"], profile["email"], profile["name"]) == (ada.id, "ada@example.com", "Ada Lovelace")
    assert (profile["role"], profile["subscription_tier"], profile["deleted_at"]) == ("user", "free", None)


@pytest.mark.parametrize(
    "metadata",
    [
        {"role": "super_admin", "subscription_tier": "pro"},
        {"name": "x" * 3_000_000},
        {"name": "two\nlines\u202e"},
        {"name": {"deep": [1]}},
        {"name": "   "},
        {"name": None, "full_name": 7},
    ],
)
def test_whatever_metadata_a_client_sends_it_gets_an_ordinary_profile(
    world: World, metadata: dict[str, object]
) -> None:
    profile = world.person("mallory", metadata=metadata).row("select * from profiles")
    assert (profile["role"], profile["subscription_tier"]) == ("user", "free")
    assert profile["name"] is None or 0 < len(profile["name"]) <= 200


def test_without_a_profile_there_is_no_user(world: World) -> None:
    ada = world.person("ada")
    with refused("23505"):
        # The profile's id is taken (the profile of a deleted user stays), so the user must not appear either.
        world.as_auth_service("delete from auth.users where id = %s", ada.id)
        world.as_auth_service("insert into auth.users (id, email) values (%s, 'new@example.com')", ada.id)
    assert world.as_dba("select * from auth.users") == []


def test_the_address_follows_auth(world: World) -> None:
    ada = world.person("ada")
    world.as_auth_service("update auth.users set email = 'countess@example.com' where id = %s", ada.id)
    assert ada.row("select email from profiles") == {"email": "countess@example.com"}
