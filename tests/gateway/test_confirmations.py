"""With enable_confirmations, as in production: an address counts once its mailbox has answered."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from supabase_auth.errors import AuthApiError

from scripts.stack.auth import gateway_auth
from scripts.stack.stack import Stack
from supabase import Client, create_client
from tests.gateway.mailbox import Mailbox
from tests.gateway.people import PASSWORD, methods_of, person_of
from tests.gateway.process import environment_of, running
from tests.gateway.test_email_links import follow


@pytest.fixture(scope="module")
def url(local_stack: Stack) -> Iterator[str]:
    """A gateway that asks for confirmation."""
    email = {**gateway_auth(local_stack.settings)["email"], "enable_confirmations": True}
    environment = environment_of(local_stack, email=email)
    with running(environment):
        yield environment["SUPABASE_URL"]


@pytest.fixture
def client(url: str, stack: dict[str, str]) -> Client:
    return create_client(url, stack["SUPABASE_ANON_KEY"])


@pytest.fixture
def email(client: Client) -> str:
    """An address that has been signed up and not confirmed."""
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    response = client.auth.sign_up({"email": email, "password": PASSWORD})
    assert response.session is None
    return email


def test_an_unconfirmed_address_cannot_sign_in(client: Client, email: str) -> None:
    with pytest.raises(AuthApiError) as caught:
        client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert (caught.value.status, caught.value.code) == (400, "email_not_confirmed")


def test_a_code_confirms(client: Client, email: str, mailbox: Mailbox) -> None:
    code = mailbox.latest(email).code
    person = person_of(client, client.auth.verify_otp({"email": email, "token": code, "type": "email"}))
    assert methods_of(person.token) == ["otp"]
    client.auth.sign_in_with_password({"email": email, "password": PASSWORD})


def test_a_link_confirms(client: Client, email: str, mailbox: Mailbox) -> None:
    _, carried = follow(mailbox.latest(email).link)
    person_of(client, client.auth.exchange_code_for_session({"auth_code": carried["code"]}))
    client.auth.sign_in_with_password({"email": email, "password": PASSWORD})


def test_its_tokens_name_it_as_issuer(
    url: str, stack: dict[str, str], client: Client, email: str, mailbox: Mailbox
) -> None:
    """The stack's own gateway has another address, so it refuses them though the key is the same."""
    code = mailbox.latest(email).code
    person = person_of(client, client.auth.verify_otp({"email": email, "token": code, "type": "signup"}))
    headers = {"apikey": stack["SUPABASE_ANON_KEY"], **person.headers}
    assert httpx.get(f"{url}/rest/v1/projects", headers=headers).status_code == 200
    assert httpx.get(f"{stack['SUPABASE_URL']}/rest/v1/projects", headers=headers).status_code == 401
