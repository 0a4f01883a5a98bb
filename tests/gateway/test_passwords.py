"""Sign-up, sign-in, refresh, sign-out and password reset with supabase-py."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from scripts.stack.stack import Stack
from tests.gateway.conftest import NewClient, NewPerson
from tests.gateway.mailbox import Mailbox
from tests.gateway.people import PASSWORD, Person, claims_of, methods_of, person_of


def test_sign_up_opens_a_session_with_a_complete_token(person: Person) -> None:
    claims = claims_of(person.token)
    assert claims["sub"] == person.id
    assert claims["email"] == person.email
    assert claims["aud"] == claims["role"] == "authenticated"
    assert claims["aal"] == "aal1"
    assert claims["is_anonymous"] is False
    assert claims["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert claims["exp"] - claims["iat"] == 3600
    assert methods_of(person.token) == ["password"]


def test_sign_up_makes_the_profile(person: Person) -> None:
    profile = person.client.table("profiles").select("*").single().execute().data
    assert isinstance(profile, dict)
    assert (profile["id"], profile["email"], profile["role"]) == (person.id, person.email, "user")


def test_the_hook_has_seen_every_token(person: Person) -> None:
    assert claims_of(person.token)["user_role"] == "user"
    person.client.auth.refresh_session()
    assert claims_of(person.token)["user_role"] == "user"
    person.client.auth.sign_in_with_password({"email": person.email, "password": PASSWORD})
    assert claims_of(person.token)["user_role"] == "user"


def test_metadata_fit_into_a_token(http: httpx.Client, person: Person) -> None:
    """The largest that is accepted can still be carried; the limit holds for what comes together."""
    person.client.auth.update_user({"data": {"half": "x" * 60_000}})
    person.client.auth.refresh_session()
    assert http.get("/rest/v1/projects", headers=person.headers).status_code == 200
    more = http.put("/auth/v1/user", json={"data": {"more": "x" * 6_000}}, headers=person.headers)
    assert (more.status_code, more.json()["error_code"]) == (413, "request_too_large")
    signup = {"email": "large@example.com", "password": PASSWORD, "data": {"all": "x" * 900_000}}
    assert http.post("/auth/v1/signup", json=signup).status_code == 413


def test_sign_in_lands_on_the_same_user(person: Person, new_client: NewClient) -> None:
    client = new_client()
    again = person_of(
        client, client.auth.sign_in_with_password({"email": person.email.upper(), "password": PASSWORD})
    )
    assert again.id == person.id


def test_a_wrong_password_is_refused(person: Person, new_client: NewClient) -> None:
    with pytest.raises(AuthApiError) as caught:
        new_client().auth.sign_in_with_password({"email": person.email, "password": "wrong horse 42"})
    assert (caught.value.status, caught.value.code) == (400, "invalid_credentials")


def test_a_taken_address_is_refused(person: Person, new_client: NewClient) -> None:
    with pytest.raises(AuthApiError) as caught:
        new_client().auth.sign_up({"email": person.email, "password": PASSWORD})
    assert (caught.value.status, caught.value.code) == (422, "user_already_exists")


@pytest.mark.parametrize("password", ["short1", "onlyletters"])
def test_a_weak_password_is_refused(new_client: NewClient, password: str) -> None:
    with pytest.raises(AuthWeakPasswordError):
        new_client().auth.sign_up({"email": "weak@example.com", "password": password})


def test_refresh_rotates_and_keeps_session_and_method(person: Person) -> None:
    before, old = claims_of(person.token), person.client.auth.get_session()
    person.client.auth.refresh_session()
    after, new = claims_of(person.token), person.client.auth.get_session()
    assert old
    assert new
    assert old.refresh_token != new.refresh_token
    assert after["session_id"] == before["session_id"]
    assert after["amr"] == before["amr"]


def test_sign_out_ends_the_session(person: Person) -> None:
    session = person.client.auth.get_session()
    assert session
    person.client.auth.sign_out()
    with pytest.raises(AuthApiError) as caught:
        person.client.auth.refresh_session(session.refresh_token)
    assert str(caught.value.code) == "refresh_token_not_found"
    with pytest.raises(AuthApiError) as caught:
        person.client.auth.get_user(session.access_token)
    assert (caught.value.status, caught.value.code) == (403, "session_not_found")


def test_a_session_ends_30_days_after_sign_in(person: Person, local_stack: Stack) -> None:
    with psycopg.connect(local_stack.superuser_url(), autocommit=True) as connection:
        age = "update auth.sessions set created_at = now() - %s::interval where user_id = %s"
        connection.execute(age, ["29 days 23 hours", person.id])
        person.client.auth.refresh_session()
        connection.execute(age, ["30 days 1 minute", person.id])
    with pytest.raises(AuthApiError) as caught:
        person.client.auth.refresh_session()
    assert caught.value.status == 400
    assert "Session Expired" in caught.value.message


def test_password_reset(person: Person, new_client: NewClient, mailbox: Mailbox) -> None:
    client = new_client()
    client.auth.reset_password_for_email(person.email)
    code = mailbox.latest(person.email).code
    client.auth.verify_otp({"email": person.email, "token": code, "type": "recovery"})
    client.auth.update_user({"password": "another horse 43"})
    with pytest.raises(AuthApiError):
        new_client().auth.sign_in_with_password({"email": person.email, "password": PASSWORD})
    new_client().auth.sign_in_with_password({"email": person.email, "password": "another horse 43"})


def test_two_people_have_two_sessions(new_person: NewPerson) -> None:
    first, second = new_person(), new_person()
    assert claims_of(first.token)["session_id"] != claims_of(second.token)["session_id"]
