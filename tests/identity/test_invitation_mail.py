"""An invitation travels by mail: the newest link alone, and only while it opens something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.acting import Person, World
from tests.identity.mails import mails, queued, told
from tests.identity.organizations import found, invite, join

TEMPLATE = "organization_invitation"

End = Callable[[World, Person, Person, Person], None]


def test_the_guest_gets_a_link_that_works(world: World) -> None:
    ada = world.person("ada", metadata={"name": "Ada"})
    organization = found(ada)
    issued = ada.row("select * from invite_member(%s, ' Grace@Example.com ', 'admin')", organization)
    (mail,) = mails(world, TEMPLATE)
    assert (mail["to"], mail["user_id"], mail["status"]) == ("grace@example.com", None, "queued")
    assert mail["params"] | {"expires_at": None} == {
        "organization": "Engines", "inviter": "Ada", "role": "admin", "token": issued["token"],
        "expires_at": None,
    }  # fmt: skip
    digest = hashlib.sha256(issued["token"].encode()).hexdigest()
    assert mail["dedupe_key"] == f"invitation:{issued['id']}:{digest[:16]}"
    world.person("grace").rows("select accept_invitation(%s)", mail["params"]["token"])


def test_an_inviter_without_a_name_invites_too(world: World) -> None:
    ada = world.person("ada")
    invite(ada, found(ada), "grace@example.com")
    assert mails(world, TEMPLATE)[0]["params"]["inviter"] is None


def test_a_renewed_link_replaces_the_mail_that_has_not_left(world: World) -> None:
    ada = world.person("ada")
    organization = found(ada)
    for _ in range(2):
        token = invite(ada, organization, "grace@example.com")
    assert sorted(mail["status"] for mail in mails(world, TEMPLATE)) == ["queued", "withdrawn"]
    assert queued(world, TEMPLATE)[0]["params"]["token"] == token
    (other,) = [mail for mail in mails(world, TEMPLATE) if mail["status"] == "withdrawn"]
    assert (other["to"], other["params"]) == (None, {})


def test_a_mail_that_was_sent_stays_sent(world: World) -> None:
    ada = world.person("ada")
    organization = found(ada)
    invite(ada, organization, "grace@example.com")
    world.as_dba("update jobs.emails set message_id = '<a@b>'")
    world.as_dba("select jobs.end_emails(array(select id from jobs.emails), 'sent')")
    invite(ada, organization, "grace@example.com")
    assert sorted(mail["status"] for mail in mails(world, TEMPLATE)) == ["queued", "sent"]


def _revoke(world: World, owner: Person, admin: Person, grace: Person) -> None:
    admin.rows("select revoke_invitation(id) from invitations where accepted_at is null")


def _demote(world: World, owner: Person, admin: Person, grace: Person) -> None:
    owner.rows("select set_member_role(organization_id, %s, 'member') from memberships limit 1", admin.id)


def _remove(world: World, owner: Person, admin: Person, grace: Person) -> None:
    owner.rows("select remove_member(organization_id, %s) from memberships limit 1", admin.id)


def _leave(world: World, owner: Person, admin: Person, grace: Person) -> None:
    admin.rows("select leave_organization(organization_id) from memberships where user_id = auth.uid()")


def _disband(world: World, owner: Person, admin: Person, grace: Person) -> None:
    owner.rows("select delete_organization(organization_id) from memberships limit 1")


def _delete_inviter(world: World, owner: Person, admin: Person, grace: Person) -> None:
    world.as_auth_service("delete from auth.users where id = %s", admin.id)


def _delete_guest(world: World, owner: Person, admin: Person, grace: Person) -> None:
    world.as_auth_service("delete from auth.users where id = %s", grace.id)


def _accept_the_copied_link(world: World, owner: Person, admin: Person, grace: Person) -> None:
    token = queued(world, TEMPLATE)[0]["params"]["token"]
    grace.rows("select accept_invitation(%s)", token)


ENDS = (
    _revoke, _demote, _remove, _leave, _disband, _delete_inviter, _delete_guest, _accept_the_copied_link
)  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__.strip("_").replace("_", " "))
def test_however_an_invitation_ends_its_mail_does_not_leave(world: World, end: End) -> None:
    owner, admin, grace = (world.person(n) for n in ("owner", "admin", "grace"))
    organization = found(owner)
    join(owner, organization, admin, "admin")
    invite(admin, organization, grace.email)
    assert [mail["to"] for mail in queued(world, TEMPLATE)] == [grace.email]
    end(world, owner, admin, grace)
    assert queued(world, TEMPLATE) == []


def test_another_invitation_is_not_touched(world: World) -> None:
    ada = world.person("ada")
    organization = found(ada)
    for name in ("grace", "alan"):
        invite(ada, organization, f"{name}@example.com")
    ada.rows("select revoke_invitation(id) from invitations where email = 'grace@example.com'")
    assert [mail["to"] for mail in queued(world, TEMPLATE)] == ["alan@example.com"]


def test_a_guest_with_an_account_is_told_in_the_app_without_the_secret(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    for _ in range(2):
        invite(ada, organization, grace.email)
    invitation = ada.row("select id from invitations")
    assert told(grace) == [
        ("organization_invitation", {"invitation_id": str(invitation["id"]), "organization": "Engines"})
    ]
    assert told(ada) == []


def test_who_never_confirmed_the_address_is_not_told(world: World) -> None:
    ada, squatter = world.person("ada"), world.person("grace", confirmed=False)
    invite(ada, found(ada), squatter.email)
    assert told(squatter) == []


def test_the_inviter_hears_who_joined(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    join(ada, organization, grace, "admin")
    join(grace, organization, alan, "member")
    (invitation,) = ada.rows("select id from invitations where accepted_by = %s", grace.id)
    assert told(ada) == [
        (
            "invitation_accepted",
            {
                "invitation_id": str(invitation["id"]),
                "organization_id": str(organization),
                "user_id": str(grace.id),
            },
        )
    ]
    assert [kind for kind, _ in told(grace)] == ["organization_invitation", "invitation_accepted"]
