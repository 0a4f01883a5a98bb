"""Clients of the running stack. Everything here goes through the gateway, as apps do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from supabase import Client, ClientOptions, create_client
from tests.gateway.mailbox import Mailbox
from tests.gateway.people import Person, sign_up

NewClient = Callable[[], Client]
NewPerson = Callable[[], Person]


@pytest.fixture(scope="session")
def new_client(stack: Mapping[str, str]) -> NewClient:
    """Makes supabase-py clients that share nothing, as if each ran on its own device."""
    return lambda: create_client(
        stack["SUPABASE_URL"], stack["SUPABASE_ANON_KEY"], ClientOptions(auto_refresh_token=False)
    )


@pytest.fixture(scope="session")
def new_person(new_client: NewClient) -> NewPerson:
    """Signs somebody up whom nobody knows yet."""
    return lambda: sign_up(new_client(), f"{uuid.uuid4().hex[:12]}@example.com")


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture(scope="session")
def bystander(new_person: NewPerson) -> Person:
    """Somebody who has nothing and whom no test changes."""
    return new_person()


@pytest.fixture
def service(stack: Mapping[str, str]) -> Client:
    """A client with the service role key."""
    return create_client(stack["SUPABASE_URL"], stack["SUPABASE_SERVICE_ROLE_KEY"])


@pytest.fixture
def mailbox(stack: Mapping[str, str]) -> Mailbox:
    return Mailbox(stack["MAIL_URL"])


@pytest.fixture
def http(stack: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Plain HTTP with the anon key, for what no client library would send."""
    headers = {"apikey": stack["SUPABASE_ANON_KEY"]}
    with httpx.Client(base_url=stack["SUPABASE_URL"], headers=headers, timeout=30) as client:
        yield client
