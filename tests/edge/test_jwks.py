from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.errors import EdgeError
from edge.jwks import FRESH_SECONDS, REFETCH_SECONDS, RETRY_SECONDS, USABLE_SECONDS, Jwks
from tests.acting import World
from tests.edge.auth_server import AuthServer, elliptic_key, rsa_key


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class Keys:
    """The cache under test, on one event loop for the whole test."""

    def __init__(self, url: str, clock: Clock, runner: asyncio.Runner) -> None:
        self._jwks = Jwks(url, clock)
        self._runner = runner

    def knows(self, key_id: str) -> bool:
        return self._runner.run(self._jwks.find(key_id)) is not None

    def knows_all(self, key_ids: list[str]) -> list[bool]:
        async def find_all() -> list[bool]:
            found = await asyncio.gather(*(self._jwks.find(key_id) for key_id in key_ids))
            return [key is not None for key in found]

        return self._runner.run(find_all())

    def finish_background_work(self) -> None:
        async def finish() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others)

        self._runner.run(finish())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(auth: AuthServer, clock: Clock) -> Iterator[Keys]:
    with asyncio.Runner() as runner:
        yield Keys(auth.jwks_url, clock, runner)


def test_keys_are_fetched_once_for_many_requests(keys: Keys, auth: AuthServer) -> None:
    assert all(keys.knows_all([auth.key.id] * 20))
    assert keys.knows(auth.key.id)
    assert auth.fetches == 1


def test_a_new_key_is_found_by_one_more_fetch(keys: Keys, auth: AuthServer, clock: Clock) -> None:
    assert keys.knows(auth.key.id)
    auth.rotate(elliptic_key())
    clock.pass_by(REFETCH_SECONDS)
    assert all(keys.knows_all([auth.key.id] * 20))
    assert auth.fetches == 2


def test_invented_key_ids_do_not_become_a_flood_of_fetches(
    keys: Keys, auth: AuthServer, clock: Clock
) -> None:
    assert keys.knows(auth.key.id)
    for _ in range(5):
        clock.pass_by(REFETCH_SECONDS / 5)
        assert not any(keys.knows_all([uuid.uuid4().hex for _ in range(20)]))
    assert auth.fetches == 2


def test_old_keys_are_refetched_without_making_anyone_wait(
    keys: Keys, auth: AuthServer, clock: Clock
) -> None:
    first = auth.key.id
    assert keys.knows(first)
    auth.rotate(elliptic_key())
    clock.pass_by(FRESH_SECONDS + 1)
    assert keys.knows(first)
    keys.finish_background_work()
    assert not keys.knows(first)


def test_known_keys_last_through_an_outage_but_not_for_ever(
    keys: Keys, auth: AuthServer, clock: Clock
) -> None:
    assert keys.knows(auth.key.id)
    auth.answers = False
    clock.pass_by(USABLE_SECONDS - 1)
    assert keys.knows(auth.key.id)
    keys.finish_background_work()
    clock.pass_by(2)
    with pytest.raises(EdgeError, match="provider_unavailable"):
        keys.knows(auth.key.id)


def test_an_outage_is_not_a_wrong_token_and_ends_by_itself(
    keys: Keys, auth: AuthServer, clock: Clock
) -> None:
    auth.answers = False
    for _ in range(3):
        with pytest.raises(EdgeError, match="provider_unavailable"):
            keys.knows(auth.key.id)
    assert auth.fetches == 1
    auth.answers = True
    clock.pass_by(RETRY_SECONDS)
    assert keys.knows(auth.key.id)


def test_keys_that_cannot_verify_safely_are_ignored(keys: Keys, auth: AuthServer) -> None:
    weak, mislabelled, encrypting = rsa_key(1024), elliptic_key(), elliptic_key()
    auth.published += [
        weak.public_jwk,
        {**mislabelled.public_jwk, "alg": "HS256"},
        {**encrypting.public_jwk, "use": "enc"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"},
    ]
    refused = [weak.id, mislabelled.id, encrypting.id, "shared", "broken"]
    assert keys.knows_all([auth.key.id, *refused]) == [True] + [False] * len(refused)


@pytest.mark.parametrize("published", [None, "keys", [1], [{"kty": 5}]])
def test_a_senseless_answer_is_an_outage(keys: Keys, auth: AuthServer, published: object) -> None:
    auth.published = published  # type: ignore[assignment]
    with pytest.raises(EdgeError, match="provider_unavailable"):
        keys.knows(auth.key.id)


def test_a_client_sees_the_outage_as_503(client: TestClient[ASGIApp], auth: AuthServer, world: World) -> None:
    auth.answers = False
    headers = {"Authorization": f"Bearer {auth.token(world.person('ada').id)}"}
    answer = client.get("/v1/me", headers=headers)
    assert answer.status_code == 503
    assert answer.json()["code"] == "provider_unavailable"
    assert client.get("/health/ready").json() == {
        "status": "unavailable",
        "database": "ok",
        "jwks": "unreachable",
    }


def test_a_client_with_a_token_of_a_rotated_key_is_let_in(
    client: TestClient[ASGIApp], auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    auth.rotate(elliptic_key())
    headers = {"Authorization": f"Bearer {auth.token(ada.id)}"}
    assert client.get("/v1/me", headers=headers).status_code == 200


class TestWithNothingToVerifyBy:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environment.items() if name != "SUPABASE_JWT_SECRET"}

    def test_it_is_not_ready(self, client: TestClient[ASGIApp], auth: AuthServer) -> None:
        auth.published = []
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["jwks"] == "no_keys"
