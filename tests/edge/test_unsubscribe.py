"""The link that unsubscribes: looking changes nothing, the button and the one-click of mail programs do."""

import json
import uuid
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.app import create_app
from edge.settings import Settings
from tests.acting import Person, World


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient[ASGIApp]]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def mail(world: World, person: Person, template: str = "newsletter") -> str:
    """A mail to them; returns the token of its link."""
    world.as_dba(
        "insert into jobs.email_templates values ('newsletter', 'news', '{}', 'of this test'),"
        " ('answer', null, '{}', 'of this test') on conflict do nothing"
    )
    (row,) = world.as_dba(
        "insert into jobs.emails (template, \"to\", dedupe_key, user_id)"
        " values (%s, %s, gen_random_uuid()::text, %s) returning unsubscribe_token::text as token",
        template, person.email, person.id,
    )  # fmt: skip
    token: str = row["token"]
    return token


def wants_news(person: Person) -> bool:
    preferences = {
        row["category"]: row["subscribed"] for row in person.rows("select * from my_email_preferences()")
    }
    return bool(preferences["news"])


def test_looking_at_the_link_asks_and_changes_nothing(
    browser: TestClient[ASGIApp], world: World, ada: Person
) -> None:
    token = mail(world, ada)
    answer = browser.get(f"/unsubscribe?token={token}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert '<form method="post">' in answer.text
    assert ada.email not in answer.text
    assert wants_news(ada)


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "One-Click"}], ids=["button", "one-click"])
def test_posting_unsubscribes_the_person_of_the_mail_once_and_for_all(
    browser: TestClient[ASGIApp], world: World, ada: Person, body: dict[str, str]
) -> None:
    bob, token = world.person("bob"), mail(world, ada)
    for _ in range(2):
        answer = browser.post(f"/unsubscribe?token={token}", data=body)
        assert answer.status_code == 200
    assert not wants_news(ada)
    assert wants_news(bob)
    (row,) = world.as_dba("select status from jobs.emails")
    assert row["status"] == "withdrawn", "also what is on its way"


def test_a_link_leads_nowhere_without_a_mail_that_has_it(
    browser: TestClient[ASGIApp], world: World, ada: Person
) -> None:
    for token in (str(uuid.uuid4()), mail(world, ada, "answer")):
        answer = browser.post(f"/unsubscribe?token={token}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["", "?token=", "?token=7", "?token=%3Cscript%3E"])
def test_a_malformed_token_is_named_and_not_repeated(browser: TestClient[ASGIApp], query: str) -> None:
    for method in ("get", "post"):
        answer = browser.request(method, f"/unsubscribe{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert "script" not in json.dumps(answer.json())
