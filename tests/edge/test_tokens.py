from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable

import jwt
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import World
from tests.billing.subscribing import subscribe
from tests.edge.auth_server import AuthServer, elliptic_key, rsa_key
from tests.edge.conftest import LEGACY_SECRET
from tests.identity.organizations import found

Client = TestClient[ASGIApp]
ADA = uuid.UUID("00000000-0000-4000-8000-000000000001")
"""Somebody of the seed: if a bad token for her were accepted, she would be found."""


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without_signature(auth: AuthServer) -> str:
    return f"{encoded({'alg': 'none', 'kid': auth.key.id})}.{encoded(auth.claims(ADA))}."


def signed_with_the_public_key(auth: AuthServer) -> str:
    """The classic confusion: the published key taken for a shared secret."""
    signed = f"{encoded({'alg': 'HS256', 'kid': auth.key.id})}.{encoded(auth.claims(ADA))}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(signed.encode(), auth.key.public_pem)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def changed_after_signing(auth: AuthServer) -> str:
    header, _, signature = auth.token(uuid.uuid4()).split(".")
    return f"{header}.{encoded(auth.claims(ADA))}.{signature}"


def with_embedded_key(auth: AuthServer) -> str:
    forger = elliptic_key()
    forger.id = auth.key.id
    return forger.sign(auth.claims(ADA), jwk=forger.public_jwk)


def deeply_nested_header(_: AuthServer) -> str:
    nested = base64.urlsafe_b64encode(b"[" * 3000).rstrip(b"=").decode()
    return f"{nested}.e30.c2ln"


TOKENS: dict[str, Callable[[AuthServer], str]] = {
    "signed by a stranger under our key's id": with_embedded_key,
    "changed after signing": changed_after_signing,
    "algorithm none": without_signature,
    "HS256 with the public key": signed_with_the_public_key,
    "HS256 with another secret": lambda a: jwt.encode(a.claims(ADA), "x" * 40, "HS256"),
    "unknown key": lambda a: elliptic_key().sign(a.claims(ADA)),
    "no key id": lambda a: jwt.encode(a.claims(ADA), a.key.private, "ES256"),
    "expired": lambda a: a.token(ADA, exp=int(time.time()) - 60),
    "not yet valid": lambda a: a.token(ADA, nbf=int(time.time()) + 60),
    "issued in the future": lambda a: a.token(ADA, iat=int(time.time()) + 60),
    "never expires": lambda a: a.token(ADA, exp=None),
    "expiry is no number": lambda a: a.token(ADA, exp="tomorrow"),
    "other audience": lambda a: a.token(ADA, aud="anon"),
    "no audience": lambda a: a.token(ADA, aud=None),
    "other issuer": lambda a: a.token(ADA, iss="https://elsewhere.example/auth/v1"),
    "no issuer": lambda a: a.token(ADA, iss=None),
    "role service_role": lambda a: a.token(ADA, role="service_role"),
    "role anon": lambda a: a.token(ADA, role="anon"),
    "role postgres": lambda a: a.token(ADA, role="postgres"),
    "role is a list": lambda a: a.token(ADA, role=["authenticated"]),
    "no role": lambda a: a.token(ADA, role=None),
    "subject is no uuid": lambda a: a.token("ada"),
    "no subject": lambda a: a.token(ADA, sub=None),
    "header nested too deeply": deeply_nested_header,
    "header is no object": lambda _: f"{encoded([1])}.e30.c2ln",
    "garbage": lambda _: "garbage",
    "three dots of garbage": lambda _: "a.b.c",
    "too long": lambda a: a.token(ADA, padding="x" * 9000),
}


def test_the_person_of_these_tests_is_let_in_with_a_good_token(client: Client, auth: AuthServer) -> None:
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {auth.token(ADA)}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS.keys())
def test_a_token_that_proves_nothing_is_refused(
    client: Client, auth: AuthServer, make: Callable[[AuthServer], str]
) -> None:
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {make(auth)}"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "Bearer Bearer"])
def test_another_scheme_is_refused(client: Client, auth: AuthServer, scheme: str) -> None:
    answer = client.get("/v1/me", headers={"Authorization": f"{scheme} {auth.token(ADA)}"})
    assert answer.status_code == 401


def test_no_token_is_asked_for_one(client: Client) -> None:
    answer = client.get("/v1/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_expired_token_says_so_because_clients_refresh_on_it(client: Client, auth: AuthServer) -> None:
    token = auth.token(ADA, exp=int(time.time()) - 60)
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["detail"] == "The access token has expired."


def test_any_json_may_be_in_the_metadata(client: Client, auth: AuthServer) -> None:
    token = auth.token(ADA, user_metadata={"number": 10**40, "text": "\N{SNOWMAN} \"' {}%s"})
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_clocks_may_differ_by_seconds(client: Client, auth: AuthServer, world: World) -> None:
    now = int(time.time())
    token = auth.token(world.person("ada").id, exp=now - 2, nbf=now - 600)
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("make_key", [elliptic_key, rsa_key])
def test_both_kinds_of_published_keys_are_accepted(
    client: Client, auth: AuthServer, world: World, make_key: Callable[[], object]
) -> None:
    auth.rotate(make_key())  # type: ignore[arg-type]
    ada = world.person("ada")
    answer = client.get("/v1/me", headers={"Authorization": f"bearer {auth.token(ada.id)}"})
    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": str(ada.id),
        "email": ada.email,
        "name": answer.json()["name"],
        "role": "user",
        "subscription_tier": "free",
        "plan": "free",
    }


def test_the_legacy_secret_is_accepted_where_it_is_configured(
    client: Client, auth: AuthServer, world: World
) -> None:
    token = jwt.encode(auth.claims(world.person("ada").id), LEGACY_SECRET, "HS256")
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


class TestWithoutLegacySecret:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environment.items() if name != "SUPABASE_JWT_SECRET"}

    @pytest.mark.parametrize("secret", [LEGACY_SECRET, "", "public key"])
    def test_no_shared_secret_is_accepted(self, client: Client, auth: AuthServer, secret: str) -> None:
        if secret == "public key":
            token = signed_with_the_public_key(auth)
        else:
            token = jwt.encode(auth.claims(ADA), secret or "x" * 32, "HS256")
        assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401

    def test_a_shared_secret_in_the_key_set_is_not_a_key(self, client: Client, auth: AuthServer) -> None:
        secret = "s" * 40
        k = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
        auth.published.append({"kty": "oct", "kid": "shared", "alg": "HS256", "k": k})
        token = jwt.encode(auth.claims(ADA), secret, "HS256", {"kid": "shared"})
        assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_database_decides_the_role_not_the_token(client: Client, auth: AuthServer, world: World) -> None:
    ada = world.person("ada")
    token = auth.token(
        ada.id,
        user_role="super_admin",
        app_metadata={"role": "super_admin", "subscription_tier": "pro"},
        subscription_tier="pro",
    )
    me = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert (me["role"], me["subscription_tier"]) == ("user", "free")

    world.as_dba("update public.profiles set role = 'admin' where id = %s", ada.id)
    me = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["role"] == "admin"


def test_the_plan_of_an_organization_counts_for_who_belongs_to_it(
    client: Client, auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    headers = {"Authorization": f"Bearer {auth.token(ada.id)}"}
    assert client.get("/v1/me", headers=headers).json()["plan"] == "free"
    subscribe(world, found(ada))
    me = client.get("/v1/me", headers=headers).json()
    assert (me["plan"], me["subscription_tier"]) == ("pro", "free")


def test_a_valid_token_of_nobody_is_refused(client: Client, auth: AuthServer) -> None:
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {auth.token(uuid.uuid4())}"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"


def test_the_still_valid_token_of_a_deleted_user_is_refused(
    client: Client, auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    headers = {"Authorization": f"Bearer {auth.token(ada.id)}"}
    assert client.get("/v1/me", headers=headers).status_code == 200
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert client.get("/v1/me", headers=headers).status_code == 401
