"""Steps that many stories begin with."""

from __future__ import annotations

import uuid

from tests.acting import Person


def found(owner: Person, name: str = "Engines") -> uuid.UUID:
    """An organization of this owner."""
    organization_id: uuid.UUID = owner.row("select * from create_organization(%s)", name)["id"]
    return organization_id


def invite(inviter: Person, organization: uuid.UUID, email: str, role: str = "member") -> str:
    """The token of an invitation."""
    token: str = inviter.row("select * from invite_member(%s, %s, %s)", organization, email, role)["token"]
    return token


def join(inviter: Person, organization: uuid.UUID, guest: Person, role: str) -> None:
    """Invite and accept."""
    guest.rows("select accept_invitation(%s)", invite(inviter, organization, guest.email, role))
