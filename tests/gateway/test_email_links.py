"""Codes and links by e-mail: magic link, one-time code, PKCE, the redirect allow-list, changes of address."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from supabase_auth.errors import AuthApiError

from tests.gateway.conftest import NewClient
from tests.gateway.mailbox import Mailbox
from tests.gateway.people import Person, claims_of, methods_of, person_of

SITE = "http://127.0.0.1:3000"


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def follow(link: str) -> tuple[str, dict[str, str]]:
    """Where a mailed link leads, and what it carries there in query and fragment."""
    response = httpx.get(link)
    assert response.status_code == 303
    location = urlsplit(response.headers["location"])
    carried = parse_qs(location.query) | parse_qs(location.fragment.split("#")[-1])
    target = location._replace(query="", fragment="").geturl()
    return target.rstrip("/"), {name: values[0] for name, values in carried.items()}


def ask_for_link(http: httpx.Client, email: str, **query: str) -> None:
    """What supabase-js sends: without PKCE."""
    assert http.post("/auth/v1/otp", params=query, json={"email": email}).status_code == 200


def test_a_code_signs_in(new_client: NewClient, mailbox: Mailbox, email: str) -> None:
    client = new_client()
    client.auth.sign_in_with_otp({"email": email})
    code = mailbox.latest(email).code
    assert len(code) == 6
    person = person_of(client, client.auth.verify_otp({"email": email, "token": code, "type": "email"}))
    assert person.email == email
    assert methods_of(person.token) == ["otp"]
    assert claims_of(person.token)["user_role"] == "user"


def test_a_code_works_once(new_client: NewClient, mailbox: Mailbox, email: str) -> None:
    client = new_client()
    client.auth.sign_in_with_otp({"email": email})
    code = mailbox.latest(email).code
    client.auth.verify_otp({"email": email, "token": code, "type": "email"})
    with pytest.raises(AuthApiError) as caught:
        client.auth.verify_otp({"email": email, "token": code, "type": "email"})
    assert (caught.value.status, caught.value.code) == (403, "otp_expired")


def test_a_link_carries_a_hooked_session(http: httpx.Client, mailbox: Mailbox, email: str) -> None:
    ask_for_link(http, email)
    target, carried = follow(mailbox.latest(email).link)
    assert target == SITE
    assert methods_of(carried["access_token"]) == ["otp"]
    assert claims_of(carried["access_token"])["user_role"] == "user"
    response = http.get("/auth/v1/user", headers={"authorization": f"Bearer {carried['access_token']}"})
    assert response.json()["email"] == email


def test_a_link_works_once(http: httpx.Client, mailbox: Mailbox, email: str) -> None:
    ask_for_link(http, email)
    link = mailbox.latest(email).link
    follow(link)
    assert follow(link)[1]["error_code"] == "otp_expired"


def test_a_link_leads_where_the_allow_list_permits(http: httpx.Client, mailbox: Mailbox, email: str) -> None:
    ask_for_link(http, email, redirect_to=f"{SITE}/welcome")
    assert follow(mailbox.latest(email).link)[0] == f"{SITE}/welcome"


@pytest.mark.parametrize("address", [f"{SITE}/?access_token=1", f"{SITE}/#access_token=1"])
def test_a_token_in_the_address_is_not_taken_for_a_session(
    http: httpx.Client, mailbox: Mailbox, email: str, address: str
) -> None:
    ask_for_link(http, email, redirect_to=address)
    link = mailbox.latest(email).link
    assert claims_of(follow(link)[1]["access_token"])["user_role"] == "user"
    assert follow(link)[1]["error_code"] == "otp_expired"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "https://127.0.0.1.evil.example:3000/", "javascript:alert(1)"]
)
def test_a_link_leads_nowhere_else(http: httpx.Client, mailbox: Mailbox, email: str, elsewhere: str) -> None:
    ask_for_link(http, email, redirect_to=elsewhere)
    assert follow(mailbox.latest(email).link)[0] == SITE


def test_a_pkce_link_opens_a_session_only_where_it_was_asked_for(
    new_client: NewClient, mailbox: Mailbox, email: str
) -> None:
    client = new_client()
    client.auth.sign_in_with_otp({"email": email})
    _, carried = follow(mailbox.latest(email).link)
    assert carried.keys() == {"code"}

    with pytest.raises(AuthApiError) as caught:
        new_client().auth.exchange_code_for_session(
            {"auth_code": carried["code"], "code_verifier": "guessed", "redirect_to": SITE}
        )
    assert caught.value.code == "bad_code_verifier"

    response = client.auth.exchange_code_for_session({"auth_code": carried["code"]})
    person = person_of(client, response)
    assert person.email == email
    assert methods_of(person.token) == ["otp"]
    assert claims_of(person.token)["user_role"] == "user"


def test_an_unknown_way_to_challenge_is_refused(http: httpx.Client, email: str) -> None:
    body = {"email": email, "code_challenge": "x" * 43, "code_challenge_method": "rot13"}
    response = http.post("/auth/v1/otp", json=body)
    assert (response.status_code, response.json()["error_code"]) == (400, "validation_failed")


def test_a_pkce_link_works_once(new_client: NewClient, mailbox: Mailbox, email: str) -> None:
    new_client().auth.sign_in_with_otp({"email": email})
    link = mailbox.latest(email).link
    follow(link)
    assert follow(link)[1]["error_code"] == "otp_expired"


def test_a_new_address_must_be_confirmed_by_both_mailboxes(
    person: Person, mailbox: Mailbox, email: str
) -> None:
    person.client.auth.update_user({"email": email})
    follow(mailbox.latest(email).link)
    assert current_email(person) == person.email
    follow(mailbox.latest(person.email).link)
    assert current_email(person) == email


def test_the_old_mailbox_alone_confirms_no_new_address(person: Person, mailbox: Mailbox, email: str) -> None:
    person.client.auth.update_user({"email": email})
    link = mailbox.latest(person.email).link
    follow(link)
    assert follow(link)[1]["error_code"] == "otp_expired"
    assert current_email(person) == person.email
    follow(mailbox.latest(email).link)
    assert current_email(person) == email


def current_email(person: Person) -> str | None:
    response = person.client.auth.get_user()
    assert response
    return response.user.email
