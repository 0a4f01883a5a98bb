"""The public keys of the Auth server: cached, refetched when keys rotate, kept through short outages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys

from edge.errors import EdgeError

FRESH_SECONDS: Final = 600
"""Keys younger than this are used as they are; older ones are refetched in the background."""
USABLE_SECONDS: Final = 3600
"""Keys older than this are not trusted any more: a withdrawn key must stop working."""
REFETCH_SECONDS: Final = 5
"""Unknown key ids cause at most one fetch in this time, however many tokens name one."""
RETRY_SECONDS: Final = 1
"""The same after a failed fetch."""

_FETCH_TIMEOUT = 3.0
_MAX_BYTES = 65_536

# The key decides the algorithm, never the token.
_ALGORITHM_BY_KEY_TYPE = {("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
_MIN_RSA_BITS = 2048


class _Jwk(msgspec.Struct, omit_defaults=True):
    """The public members of a key; private ones are not even read."""

    kty: str
    kid: str = ""
    alg: str | None = None
    use: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None


class _KeySet(msgspec.Struct):
    keys: list[_Jwk]


class VerificationKey(NamedTuple):
    """A key, with the only algorithm that it verifies."""

    key: AllowedPublicKeys | str
    algorithm: str


class Jwks:
    """The key set at `url`. `clock` returns seconds and never goes back."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at = self._attempted_at = float("-inf")
        self._failure: Exception | None = None
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> VerificationKey | None:
        """The key with this id, or None if the Auth server has no such key.

        Raises `provider_unavailable` when that cannot be known because the server does not answer.
        """
        if key := (await self._usable()).get(key_id):
            return key
        await self._refetch()
        if self._failure:
            raise EdgeError("provider_unavailable") from self._failure
        return self._keys.get(key_id)

    async def count(self) -> int:
        """How many usable keys there are; raises `provider_unavailable` like `find`."""
        return len(await self._usable())

    async def _usable(self) -> dict[str, VerificationKey]:
        age = self._clock() - self._fetched_at
        if age > USABLE_SECONDS:
            await self._refetch()
            if self._failure:
                raise EdgeError("provider_unavailable") from self._failure
        elif age > FRESH_SECONDS:
            self._start_fetch()
        return self._keys

    async def _refetch(self) -> None:
        """Wait for a fetch; returns at once when the last one is too recent for another."""
        self._start_fetch()
        if self._fetch:
            # A request that goes away must not take the fetch away from the others.
            await asyncio.shield(self._fetch)

    def _start_fetch(self) -> None:
        pause = RETRY_SECONDS if self._failure else REFETCH_SECONDS
        if self._fetch is None and self._clock() - self._attempted_at >= pause:
            self._attempted_at = self._clock()
            self._fetch = asyncio.create_task(self._run_fetch())

    async def _run_fetch(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT):
                self._keys = _parse(await self._download())
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._failure = error
        else:
            self._failure = None
            self._fetched_at = self._clock()
        finally:
            self._fetch = None

    async def _download(self) -> bytes:
        body = bytearray()
        async with (
            httpx.AsyncClient(timeout=_FETCH_TIMEOUT) as client,
            client.stream("GET", self._url) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise ValueError("the key set is too large")
        return bytes(body)


def _parse(document: bytes) -> dict[str, VerificationKey]:
    """The keys that can verify signatures, by id; others are ignored, a shared secret above all."""
    keys: dict[str, VerificationKey] = {}
    for jwk in msgspec.json.decode(document, type=_KeySet).keys:
        algorithm = _ALGORITHM_BY_KEY_TYPE.get((jwk.kty, jwk.crv))
        if algorithm is None or jwk.alg not in {None, algorithm} or jwk.use not in {None, "sig"}:
            continue
        try:
            key = jwt.PyJWK(msgspec.to_builtins(jwk), algorithm).key
        except jwt.PyJWTError:
            continue
        if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
            continue
        keys[jwk.kid] = VerificationKey(key, algorithm)
    return keys
