"""Signed-up people and what their tokens say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from supabase_auth.types import AuthResponse

from supabase import Client

PASSWORD = "correct horse 42"


@dataclass(frozen=True)
class Person:
    """A user with a session of their own."""

    client: Client
    id: str
    email: str

    @property
    def token(self) -> str:
        session = self.client.auth.get_session()
        assert session
        return session.access_token

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def sign_up(client: Client, email: str) -> Person:
    response = client.auth.sign_up({"email": email, "password": PASSWORD})
    return person_of(client, response)


def person_of(client: Client, response: AuthResponse) -> Person:
    assert response.user
    assert response.session
    return Person(client, response.user.id, response.user.email or "")


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def methods_of(token: str) -> list[str]:
    """How the token's session came to be."""
    return [entry["method"] for entry in claims_of(token)["amr"]]
