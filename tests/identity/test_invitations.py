"""Invitations: single use, expiring, bound to an address, worth what the inviter could still grant."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.acting import World, refused
from tests.identity.organizations import found, invite, join

ACCEPT = "select * from accept_invitation(%s)"


def test_the_invited_person_joins_once(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    invitation = ada.row("select * from invite_member(%s, ' Grace@Example.com ', 'admin')", organization)
    assert (invitation["email"], invitation["role"]) == ("grace@example.com", "admin")
    membership = grace.row(ACCEPT, invitation["token"])
    assert (membership["organization_id"], membership["role"]) == (organization, "admin")
    with refused("invalid_state", reason="accepted"):
        grace.rows(ACCEPT, invitation["token"])
    seen = ada.row("select accepted_by, accepted_at is not null as accepted from invitations")
    assert seen == {"accepted_by": grace.id, "accepted": True}


def test_only_a_hash_of_the_token_is_stored(world: World) -> None:
    ada = world.person("ada")
    token = invite(ada, found(ada), "grace@example.com")
    assert len(token) == 64
    (row,) = world.as_dba("select token_hash from identity.invitation_tokens")
    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    dump = world.as_dba(
        "select coalesce(jsonb_agg(to_jsonb(i)), '[]')::text as t from public.invitations as i"
    )[0]["t"]
    assert token not in dump


def test_an_invitation_is_for_its_address_only(world: World) -> None:
    ada, grace, mallory = (world.person(n) for n in ("ada", "grace", "mallory"))
    token = invite(ada, found(ada), grace.email)
    for outsider in (mallory, ada):
        with refused("forbidden", reason="other_address"):
            outsider.rows(ACCEPT, token)
    with refused("42501"):
        world.anon.rows(ACCEPT, token)
    grace.rows(ACCEPT, token)


def test_an_address_that_nobody_confirmed_opens_nothing(world: World) -> None:
    ada, impostor = world.person("ada"), world.person("grace", confirmed=False)
    token = invite(ada, found(ada), impostor.email)
    with refused("forbidden", reason="unconfirmed_address"):
        impostor.rows(ACCEPT, token)
    world.as_auth_service("update auth.users set email_confirmed_at = now() where id = %s", impostor.id)
    impostor.rows(ACCEPT, token)


def test_expired_revoked_and_invented_tokens(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    token = invite(ada, organization, grace.email)
    world.as_dba("update public.invitations set expires_at = now()")
    with refused("invalid_state", reason="expired"):
        grace.rows(ACCEPT, token)
    token = invite(ada, organization, grace.email)
    ada.rows("select revoke_invitation(id) from invitations")
    with refused("invalid_state", reason="revoked"):
        grace.rows(ACCEPT, token)
    with refused("invalid_state"):
        ada.rows("select revoke_invitation(id) from invitations")
    for invented in ("", "x", "0" * 64, "x" * 3_000_000, None):
        with refused("not_found"):
            grace.rows(ACCEPT, invented)
    assert grace.rows("select * from memberships") == []


def test_inviting_again_renews_the_link_and_opens_no_second_one(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    first, second = (invite(ada, organization, grace.email) for _ in range(2))
    assert len(ada.rows("select * from invitations")) == 1
    with refused("not_found"):
        grace.rows(ACCEPT, first)
    grace.rows(ACCEPT, second)


def test_a_link_that_is_being_replaced_does_not_open_the_new_invitation(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    old = invite(ada, organization, grace.email, "member")

    def accept() -> str | None:
        with pytest.raises(psycopg.Error) as caught:
            grace.rows(ACCEPT, old)
        return caught.value.diag.message_primary

    with ThreadPoolExecutor(1) as threads:
        with ada.transaction() as connection:
            connection.execute("select invite_member(%s, %s, 'owner')", [organization, grace.email])
            attempt = threads.submit(accept)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=0.5)
        assert attempt.result(timeout=30) == "not_found"


def test_admins_do_not_touch_invitations_above_them(world: World) -> None:
    owner, admin = world.person("owner"), world.person("admin")
    organization = found(owner)
    join(owner, organization, admin, "admin")
    invitation = owner.row("select * from invite_member(%s, 'heir@example.com', 'owner')", organization)
    with refused("forbidden"):
        invite(admin, organization, "heir@example.com", "member")
    with refused("forbidden"):
        admin.rows("select revoke_invitation(%s)", invitation["id"])
    owner.rows("select revoke_invitation(%s)", invitation["id"])


def test_who_never_confirmed_an_address_takes_no_invitations_of_it_to_the_grave(world: World) -> None:
    ada, squatter = world.person("ada"), world.person("grace", confirmed=False)
    token = invite(ada, found(ada), squatter.email)
    world.as_auth_service("delete from auth.users where id = %s", squatter.id)
    world.person("grace").rows(ACCEPT, token)


def test_members_are_not_invited_again(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    join(ada, organization, grace, "member")
    with refused("conflict"):
        invite(ada, organization, grace.email)


def test_nobody_invites_above_their_role_or_themselves(world: World) -> None:
    owner, admin, member, stranger = (world.person(n) for n in ("owner", "admin", "member", "stranger"))
    organization = found(owner)
    join(owner, organization, admin, "admin")
    join(owner, organization, member, "member")
    with refused("forbidden"):
        invite(admin, organization, "x@example.com", "owner")
    for role in ("member", "admin", "owner"):
        with refused("forbidden"):
            invite(member, organization, "x@example.com", role)
        with refused("not_found"):
            invite(stranger, organization, stranger.email, role)
    with refused("conflict"):
        invite(admin, organization, admin.email, "admin")
    with refused("validation_failed", field="role"):
        invite(owner, organization, "x@example.com", "emperor")
    with refused("validation_failed", field="email"):
        invite(owner, organization, "not an address")
    for call, field in (
        ("invite_member(%s, null)", "email"),
        ("invite_member(%s, 'x@example.com', null)", "role"),
    ):
        with refused("validation_failed", field=field), owner.transaction() as connection:
            connection.execute(f"select {call}", [organization])


@pytest.mark.parametrize("loss", ["demoted", "removed"])
def test_an_invitation_dies_with_the_inviters_right_to_give_it(world: World, loss: str) -> None:
    owner, admin, grace = (world.person(n) for n in ("owner", "admin", "grace"))
    organization = found(owner)
    join(owner, organization, admin, "admin")
    token = invite(admin, organization, grace.email, "admin")
    if loss == "demoted":
        owner.rows("select set_member_role(%s, %s, 'member')", organization, admin.id)
    else:
        owner.rows("select remove_member(%s, %s)", organization, admin.id)
    with refused("invalid_state", reason="revoked"):
        grace.rows(ACCEPT, token)
    if loss == "demoted":
        owner.rows("select set_member_role(%s, %s, 'admin')", organization, admin.id)
    else:
        join(owner, organization, admin, "admin")
    with refused("invalid_state", reason="revoked"):
        grace.rows(ACCEPT, token)


def test_members_and_strangers_see_no_invitations_and_nobody_writes_them(world: World) -> None:
    owner, member, stranger = (world.person(n) for n in ("owner", "member", "stranger"))
    organization = found(owner)
    join(owner, organization, member, "member")
    invite(owner, organization, stranger.email)
    assert member.rows("select * from invitations") == []
    assert stranger.rows("select * from invitations") == []
    for caller in (owner, member, stranger, world.service):
        with refused("42501"):
            caller.rows(
                "insert into invitations (organization_id, email, invited_by) values (%s, 'a@b.cd', %s)",
                organization,
                owner.id,
            )
        with refused("42501"):
            caller.rows("update invitations set role = 'owner'")
        with refused("42501"):
            caller.rows("delete from invitations")
        with refused("42501"):
            caller.rows("select * from identity.invitation_tokens")
    with refused("forbidden"):
        member.rows(
            "select revoke_invitation(%s)",
            owner.row("select id from invitations where accepted_at is null")["id"],
        )
    with refused("not_found"):
        stranger.rows(
            "select revoke_invitation(%s)",
            owner.row("select id from invitations where accepted_at is null")["id"],
        )


def test_one_token_accepted_many_times_at_once_joins_once(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    token = invite(ada, found(ada), grace.email)

    def accept(_: int) -> str:
        try:
            grace.rows(ACCEPT, token)
        except psycopg.Error as error:
            return error.diag.message_primary or ""
        return "done"

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(accept, range(8)))
    assert outcomes == ["done"] + ["invalid_state"] * 7
