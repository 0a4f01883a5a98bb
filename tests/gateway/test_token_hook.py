"""No access token leaves without the hook's consent, whichever way it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import psycopg
import pytest
from supabase_auth.errors import AuthApiError

from scripts.stack.stack import Stack
from tests.gateway.conftest import NewClient
from tests.gateway.mailbox import Mailbox
from tests.gateway.people import PASSWORD, Person
from tests.gateway.test_email_links import ask_for_link, follow


@pytest.fixture
def unwelcome(person: Person, local_stack: Stack) -> Person:
    """Somebody with a session whose profile is gone: the hook refuses such people."""
    with psycopg.connect(local_stack.superuser_url(), autocommit=True) as connection:
        connection.execute(
            "update public.profiles set deleted_at = now(), email = null, name = null where id = %s",
            [person.id],
        )
    return person


def sessions_of(person: Person, stack: Stack) -> int:
    with psycopg.connect(stack.superuser_url()) as connection:
        cursor = connection.execute("select count(*) from auth.sessions where user_id = %s", [person.id])
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def test_sign_in(unwelcome: Person, new_client: NewClient, local_stack: Stack) -> None:
    before = sessions_of(unwelcome, local_stack)
    with pytest.raises(AuthApiError) as caught:
        new_client().auth.sign_in_with_password({"email": unwelcome.email, "password": PASSWORD})
    assert (caught.value.status, caught.value.message) == (403, "This account no longer exists.")
    assert sessions_of(unwelcome, local_stack) == before


def test_refresh(unwelcome: Person) -> None:
    with pytest.raises(AuthApiError) as caught:
        unwelcome.client.auth.refresh_session()
    assert caught.value.status == 403


def test_code(unwelcome: Person, new_client: NewClient, mailbox: Mailbox) -> None:
    client = new_client()
    client.auth.sign_in_with_otp({"email": unwelcome.email})
    code = mailbox.latest(unwelcome.email).code
    with pytest.raises(AuthApiError) as caught:
        client.auth.verify_otp({"email": unwelcome.email, "token": code, "type": "email"})
    assert caught.value.status == 403


def test_link(unwelcome: Person, http: httpx.Client, mailbox: Mailbox) -> None:
    ask_for_link(http, unwelcome.email)
    _, carried = follow(mailbox.latest(unwelcome.email).link)
    assert carried["error_description"] == "This account no longer exists."
    assert "access_token" not in carried
    assert "refresh_token" not in carried


def test_pkce_link(unwelcome: Person, new_client: NewClient, mailbox: Mailbox) -> None:
    client = new_client()
    client.auth.sign_in_with_otp({"email": unwelcome.email})
    _, carried = follow(mailbox.latest(unwelcome.email).link)
    with pytest.raises(AuthApiError) as caught:
        client.auth.exchange_code_for_session({"auth_code": carried["code"]})
    assert caught.value.status == 403


def test_the_service_s_own_tokens_stay_inside(stack: Mapping[str, str], person: Person) -> None:
    """Whoever holds a refresh token gets ES256 and nothing else."""
    session = person.client.auth.get_session()
    assert session
    response = httpx.post(
        f"{stack['SUPABASE_URL']}/auth/v1/token?grant_type=refresh_token",
        headers={"apikey": stack["SUPABASE_ANON_KEY"]},
        json={"refresh_token": session.refresh_token},
    )
    assert response.json()["access_token"].startswith("eyJhbGciOiJFUzI1NiIs")
