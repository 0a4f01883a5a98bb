"""Mail that the worker of the running stack sends, as people read it in the mailbox."""

from __future__ import annotations

import uuid
from typing import Any

from tests.gateway.conftest import NewPerson
from tests.gateway.mailbox import Mailbox


def test_an_invitation_arrives_and_its_link_makes_a_member(new_person: NewPerson, mailbox: Mailbox) -> None:
    ada, grace = new_person(), new_person()
    name = f"Engines {uuid.uuid4().hex[:8]}"
    organization: Any = ada.client.rpc("create_organization", {"name": name}).execute().data
    ada.client.rpc("invite_member", {"organization_id": organization["id"], "email": grace.email}).execute()

    mail = mailbox.latest(grace.email)
    assert name in mail.subject
    token = mail.link.partition("token=")[2]
    membership: Any = grace.client.rpc("accept_invitation", {"token": token}).execute().data
    assert membership["organization_id"] == organization["id"]


def test_a_changed_password_is_told_by_mail_and_in_the_app(new_person: NewPerson, mailbox: Mailbox) -> None:
    ada = new_person()
    ada.client.auth.update_user({"password": "another horse 43"})
    assert "password" in mailbox.latest(ada.email).subject
    notifications = ada.client.table("notifications")
    notification = only(notifications.select("*").execute().data)
    assert notification["kind"] == "password_changed"
    read = {"read_at": "2026-01-01T00:00:00Z"}
    notifications.update(read).eq("id", notification["id"]).execute()
    told = only(notifications.select("read_at").execute().data)["read_at"]
    assert told > read["read_at"], "when it was read is the database's word"


def only(rows: Any) -> Any:
    (row,) = rows
    return row
