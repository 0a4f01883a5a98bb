"""Idempotency keys: the first answer is kept for a day and given to every repetition."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.clock import DAY
from scripts.stripe_sim.errors import ApiError

MAX_KEY = 255


class Kept(msgspec.Struct, frozen=True):
    """An answer that was given."""

    fingerprint: str
    status: int
    body: Any
    request_id: str
    at: int


class Keys:
    """The keys of one account; `scope` tells accounts apart."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.under_way: set[str] = set()
        """Requests that were begun and not answered."""

    def recall(self, place: str, fingerprint: str) -> Kept | None:
        """The answer that this key got; raises if it belongs to another request, or that is under way."""
        key = place.partition(":")[2]
        if place in self.under_way:
            message = f"There is currently another in-progress request using this Idempotency Key: {key}"
            raise ApiError(409, "idempotency_error", message, code="idempotency_key_in_use")
        found = self._account.store.find("idempotency", place)
        if found is None or found["at"] <= self._account.now - DAY:
            return None
        kept = msgspec.convert(found, Kept)
        if kept.fingerprint != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise ApiError(400, "idempotency_error", message)
        return kept

    def keep(self, place: str, kept: Kept) -> None:
        """In the transaction of the work itself."""
        self._account.store.save("idempotency", place, msgspec.to_builtins(kept))


def fingerprint_of(method: str, path: str, params: object) -> str:
    """Equal for requests that ask for the same."""
    text = json.dumps([method, path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
