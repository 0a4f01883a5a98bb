"""Who is asking: the access token in the Authorization header, verified."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from uuid import UUID

import jwt
import msgspec
from litestar import Request

from edge.errors import EdgeError
from edge.jwks import Jwks, VerificationKey
from edge.settings import Secret

AUDIENCE: Final = "authenticated"
ROLE: Final = "authenticated"
"""The Postgres role of a signed-in user; a token for any other role is refused."""

_LEEWAY_SECONDS = 10
_REQUIRED_CLAIMS = ["aud", "exp", "iss", "role", "sub"]
_BEARER = re.compile(r"bearer +(?P<token>[\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
_MAX_HEADER_LENGTH = 8192


class User(msgspec.Struct, frozen=True):
    """A verified user; what he may do is decided by the database, never by the token."""

    id: UUID
    claims: str
    """The claims as JSON: SQL sees them as `request.jwt.claims`."""

    def __repr__(self) -> str:
        return f"User({self.id})"


class TokenVerifier:
    """Accepts tokens signed by a key of the JWKS or, where configured, by the legacy shared secret."""

    def __init__(self, jwks: Jwks, issuer: str, legacy_secret: Secret | None) -> None:
        self._jwks = jwks
        self._issuer = issuer
        self._legacy_key = VerificationKey(legacy_secret.reveal(), "HS256") if legacy_secret else None

    async def verify(self, authorization: str | None) -> User:
        """The user of an Authorization header.

        Raises `not_authenticated`, or `provider_unavailable` when the keys cannot be fetched.
        """
        if authorization is None:
            raise EdgeError(
                "not_authenticated",
                "Sign in: the Authorization header is missing.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        match = _BEARER.fullmatch(authorization) if len(authorization) <= _MAX_HEADER_LENGTH else None
        if match is None:
            raise _refused("The Authorization header must be: Bearer <access token>.")
        token = match["token"]

        key = await self._key(token)
        if key is None:
            raise _refused("The access token is not valid.")
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED_CLAIMS},
            )
            return _user(claims)
        except jwt.ExpiredSignatureError:
            raise _refused("The access token has expired.") from None
        except (jwt.PyJWTError, ValueError):
            raise _refused("The access token is not valid.") from None

    async def can_verify(self) -> bool:
        """Whether any token could be accepted; raises `provider_unavailable` like `verify`."""
        return await self._jwks.count() > 0 or self._legacy_key is not None

    async def _key(self, token: str) -> VerificationKey | None:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return None
        if header.get("alg") == "HS256":
            return self._legacy_key
        key_id = header.get("kid")
        return await self._jwks.find(key_id) if isinstance(key_id, str) else None


async def provide_user(request: Request[User, Any, Any]) -> User:
    """The user that the router's guard let in, for handlers."""
    return request.user


def _user(claims: dict[str, Any]) -> User:
    if claims["role"] != ROLE:
        raise ValueError("not a user's token")
    return User(UUID(claims["sub"]), json.dumps(claims, allow_nan=False))


def _refused(detail: str) -> EdgeError:
    return EdgeError("not_authenticated", detail)
