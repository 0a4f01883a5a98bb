"""Which tokens open something, and which never do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from scripts.stack.stack import Stack
from tests.gateway.people import Person, claims_of


def test_a_token_verifies_with_the_published_key(stack: Mapping[str, str], bystander: Person) -> None:
    key = jwt.PyJWKClient(stack["SUPABASE_JWKS_URL"]).get_signing_key_from_jwt(bystander.token)
    claims = jwt.decode(
        bystander.token,
        key,
        algorithms=["ES256"],
        audience="authenticated",
        issuer=f"{stack['SUPABASE_URL']}/auth/v1",
    )
    assert claims["sub"] == bystander.id


def test_only_the_public_half_is_published(stack: Mapping[str, str]) -> None:
    (key,) = httpx.get(stack["SUPABASE_JWKS_URL"]).json()["keys"]
    assert {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}.items() <= key.items()
    assert "d" not in key


class Forger:
    """Makes tokens from a genuine one, with and without the keys."""

    def __init__(self, stack: Stack, person: Person) -> None:
        path = stack.settings.state / "secrets.json"
        self._jwk = json.loads(path.read_text())["signing_jwk"]
        self._secret = stack.env["SUPABASE_JWT_SECRET"]
        self._claims = claims_of(person.token)

    def genuine(self, **changes: object) -> str:
        return self._signed(self._jwk, changes)

    def under_kid(self, kid: str) -> str:
        return jwt.encode(self._claims, self._key(self._jwk), algorithm="ES256", headers={"kid": kid})

    def other_key(self, **changes: object) -> str:
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        return self._signed(jwk, changes)

    def unsigned(self, **changes: object) -> str:
        return jwt.encode({**self._claims, **changes}, None, algorithm="none")  # type: ignore[arg-type]

    def with_public_key_as_secret(self, **changes: object) -> str:
        pem = self._key(self._jwk).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self.with_secret(pem.decode(), **changes)

    def with_secret(self, secret: str | None = None, **changes: object) -> str:
        """By hand, because no library puts a public key to such use."""
        claims = {key: value for key, value in {**self._claims, **changes}.items() if value is not None}
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': self._jwk['kid']})}.{_encoded(claims)}"
        digest = hmac.new((secret or self._secret).encode(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    def tampered(self, **changes: object) -> str:
        header, _, signature = self.genuine().split(".")
        return f"{header}.{_encoded({**self._claims, **changes})}.{signature}"

    def _signed(self, jwk: dict[str, Any], changes: dict[str, object]) -> str:
        claims = {key: value for key, value in {**self._claims, **changes}.items() if value is not None}
        return jwt.encode(claims, self._key(jwk), algorithm="ES256", headers={"kid": self._jwk["kid"]})

    def _key(self, jwk: dict[str, Any]) -> ec.EllipticCurvePrivateKey:
        key = ECAlgorithm.from_jwk(jwk)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def forger(local_stack: Stack, bystander: Person) -> Forger:
    return Forger(local_stack, bystander)


def status(http: httpx.Client, token: str, path: str = "/rest/v1/projects") -> int:
    return http.get(path, headers={"authorization": f"Bearer {token}"}).status_code


def test_what_is_made_like_a_genuine_token_is_accepted(http: httpx.Client, forger: Forger) -> None:
    assert status(http, forger.genuine()) == 200
    assert status(http, forger.with_secret()) == 200


MALICIOUS: dict[str, Callable[[Forger], str]] = {
    "signed with another key": lambda forger: forger.other_key(),
    "service_role under another key": lambda forger: forger.other_key(role="service_role"),
    "postgres under another key": lambda forger: forger.other_key(role="postgres"),
    "under an unknown kid": lambda forger: forger.under_kid("unknown"),
    "payload exchanged": lambda forger: forger.tampered(role="service_role"),
    "alg none": lambda forger: forger.unsigned(),
    "alg none, service_role": lambda forger: forger.unsigned(role="service_role"),
    "public key as HMAC secret": lambda forger: forger.with_public_key_as_secret(role="service_role"),
    "a guessed secret": lambda forger: forger.with_secret("guessed" * 8, role="service_role"),
    "expired": lambda forger: forger.genuine(exp=int(time.time()) - 60),
    "without expiry": lambda forger: forger.genuine(exp=None),
    "issued in the future": lambda forger: forger.genuine(iat=int(time.time()) + 600),
    "not valid yet": lambda forger: forger.genuine(nbf=int(time.time()) + 600),
    "for another audience": lambda forger: forger.genuine(aud="elsewhere"),
    "without audience": lambda forger: forger.genuine(aud=None),
    "from another issuer": lambda forger: forger.genuine(iss="https://elsewhere.example/auth/v1"),
    "for another audience, by secret": lambda forger: forger.with_secret(aud="elsewhere"),
    "from another issuer, by secret": lambda forger: forger.with_secret(iss="https://elsewhere.example"),
    "without subject": lambda forger: forger.genuine(sub=None),
    "a subject that is no uuid": lambda forger: forger.genuine(sub="' or true --"),
    "without role": lambda forger: forger.genuine(role=None),
    "role postgres": lambda forger: forger.genuine(role="postgres"),
    "role supabase_auth_admin": lambda forger: forger.genuine(role="supabase_auth_admin"),
    "role edge_service": lambda forger: forger.genuine(role="edge_service"),
    "role supabase_auth_admin, by secret": lambda forger: forger.with_secret(role="supabase_auth_admin"),
    "role injected": lambda forger: forger.genuine(role='authenticated"; reset role; --'),
    "role as a list": lambda forger: forger.genuine(role=["service_role"]),
    "no token at all": lambda _: "nonsense",
    "three empty parts": lambda _: "..",
    "a header that is no JSON": lambda _: "AAAA.AAAA.AAAA",
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_tokens_open_nothing(http: httpx.Client, forger: Forger, name: str) -> None:
    token = MALICIOUS[name](forger)
    response = http.get("/rest/v1/projects", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert response.json()["code"] == ("PGRST303" if name == "expired" else "PGRST301")
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert status(http, token, "/auth/v1/user") in (401, 403)
    assert status(http, token, "/storage/v1/bucket") == 401


def test_an_expired_token_keeps_nobody_from_refreshing(
    http: httpx.Client, forger: Forger, person: Person
) -> None:
    session = person.client.auth.get_session()
    assert session
    response = http.post(
        "/auth/v1/token",
        params={"grant_type": "refresh_token"},
        json={"refresh_token": session.refresh_token},
        headers={"authorization": f"Bearer {forger.genuine(exp=1)}"},
    )
    assert response.status_code == 200
