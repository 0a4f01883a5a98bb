"""People decide what they are written about, in the app or by the link in a mail."""

from __future__ import annotations

import uuid

from tests.acting import Person, World, refused
from tests.identity.mails import mails
from tests.jobs.queueing import Queue

SET = "select * from set_email_preference(%s, %s)"
MINE = "select * from my_email_preferences()"
UNSUBSCRIBE = "select edge.unsubscribe(%s)"


def stage(world: World, person: Person, template: str = "test_news") -> uuid.UUID:
    """A mail of the category `news`, or a transactional one; returns its unsubscribe token."""
    world.as_dba(
        "insert into jobs.email_templates (template, category, description) values"
        " ('test_news', 'news', 'News.'), ('test_receipt', null, 'A receipt.') on conflict do nothing"
    )
    (mail,) = world.as_dba(
        "insert into jobs.emails (template, \"to\", dedupe_key, user_id) values (%s, %s, %s, %s)"
        " returning unsubscribe_token",
        template, person.email, uuid.uuid4().hex, person.id,
    )  # fmt: skip
    token: uuid.UUID = mail["unsubscribe_token"]
    return token


def test_everybody_is_subscribed_until_they_say_no(world: World) -> None:
    ada = world.person("ada")
    assert ada.rows(MINE) == [{"category": "daily_summary", "subscribed": True}]
    for subscribed in (False, False, True, True):
        preference = {"category": "daily_summary", "subscribed": subscribed}
        assert ada.rows(SET, "daily_summary", subscribed) == [preference]
        assert ada.rows(MINE) == [preference]


def test_a_no_stops_what_is_not_sent_yet_of_that_person_and_category(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    for person in (ada, grace):
        stage(world, person)
        stage(world, person, "test_receipt")
    ada.rows(SET, "news", False)
    assert {(m["user_id"], m["status"], m["to"], m["reason"]) for m in mails(world, "test_news")} == {
        (ada.id, "withdrawn", None, "unsubscribed"),
        (grace.id, "queued", grace.email, None),
    }
    assert {mail["status"] for mail in mails(world, "test_receipt")} == {"queued"}
    assert grace.rows(MINE) == [
        {"category": "daily_summary", "subscribed": True},
        {"category": "news", "subscribed": True},
    ]


def test_what_is_no_category_and_who_is_nobody(world: World) -> None:
    ada = world.person("ada")
    for unknown in ("password_changed", "organization_invitation", "", None):
        with refused("validation_failed", field="category"):
            ada.rows(SET, unknown, False)
    with refused("validation_failed", field="subscribed"):
        ada.rows(SET, "daily_summary", None)
    for statement in ("select my_email_preferences()", "select set_email_preference('daily_summary', false)"):
        with refused("42501"):
            world.anon.rows(statement)
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    for statement in ("select my_email_preferences()", "select set_email_preference('daily_summary', false)"):
        with refused("not_authenticated"):
            ada.rows(statement)


def test_nobody_reads_or_writes_preferences_past_the_functions(world: World) -> None:
    ada = world.person("ada")
    for caller in (ada, world.service, world.anon):
        for statement in (
            "select * from identity.unsubscriptions",
            "delete from identity.unsubscriptions",
            "select identity.unsubscribe(gen_random_uuid(), 'daily_summary')",
            "select edge.unsubscribe(gen_random_uuid())",
        ):
            with refused("42501"):
                caller.rows(statement)


def test_the_link_in_a_mail_unsubscribes_and_does_not_say_whom(queue: Queue) -> None:
    ada = queue.world.person("ada")
    token = stage(queue.world, ada)
    for _ in range(2):
        assert queue.ask(UNSUBSCRIBE, token) == {"category": "news"}
    assert [mail["status"] for mail in mails(queue.world, "test_news")] == ["withdrawn"]
    assert {"category": "news", "subscribed": False} in ada.rows(MINE)
    assert {"category": "daily_summary", "subscribed": True} in ada.rows(MINE)


def test_links_that_open_nothing(queue: Queue) -> None:
    ada, grace = queue.world.person("ada"), queue.world.person("grace")
    receipt, of_deleted = stage(queue.world, ada, "test_receipt"), stage(queue.world, grace)
    queue.world.as_auth_service("delete from auth.users where id = %s", grace.id)
    for token in (uuid.uuid4(), receipt, of_deleted, None):
        with refused("not_found"):
            queue.ask(UNSUBSCRIBE, token)
    assert queue.world.as_dba("select * from identity.unsubscriptions") == []


def test_a_deleted_person_leaves_no_preferences_and_gets_no_mail(world: World) -> None:
    ada = world.person("ada")
    stage(world, ada)
    stage(world, ada, "test_receipt")
    ada.rows(SET, "daily_summary", False)
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert world.as_dba("select * from identity.unsubscriptions") == []
    assert {m["status"] for m in mails(world, "test_news") + mails(world, "test_receipt")} == {"withdrawn"}
    assert world.as_dba('select "to" from jobs.emails where "to" is not null') == []


def test_mail_to_the_address_goes_with_its_confirmed_owner_only(world: World) -> None:
    grace, squatter = world.person("grace"), world.person("ada", confirmed=False)
    stage(world, grace)
    stage(world, squatter)
    world.as_dba("update jobs.emails set user_id = null")
    for person in (grace, squatter):
        world.as_auth_service("delete from auth.users where id = %s", person.id)
    assert [m["to"] for m in mails(world, "test_news") if m["status"] == "queued"] == [squatter.email]
