"""One Stripe account as the code of a request sees it: its objects, its clock, its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from scripts.stripe_sim.clock import Clock
from scripts.stripe_sim.errors import missing
from scripts.stripe_sim.ids import make_id, make_secret
from scripts.stripe_sim.store import Document, Store
from scripts.stripe_sim.versions import CURRENT


@dataclass(frozen=True)
class Cause:
    """The API request that events of a transaction name; nothing when a person or the clock caused them."""

    request_id: str | None = None
    idempotency_key: str | None = None


class Account:
    """Everything changes inside `transaction`, all of it or nothing."""

    def __init__(self, store: Store, clock: Clock, seed: str) -> None:
        self.store = store
        self.clock = clock
        self.seed = seed
        self.on_event: Callable[[Document], None] = lambda event: None
        self.on_schedule: Callable[[int, str], None] = lambda due, key: None
        self._cause = Cause()

    @contextmanager
    def transaction(self, cause: Cause = Cause()) -> Iterator[None]:
        self._cause = cause
        try:
            with self.store.transaction():
                yield
        finally:
            self._cause = Cause()

    @property
    def now(self) -> int:
        return self.clock.now()

    def number(self, counter: str) -> int:
        """1, 2, 3, …"""
        document = self.store.find("counter", counter) or {"value": 0}
        document["value"] += 1
        self.store.save("counter", counter, document)
        return int(document["value"])

    def new_id(self, prefix: str) -> str:
        return make_id(self.seed, prefix, self.number("id"))

    def secret_of(self, id_: str) -> str:
        return make_secret(self.seed, id_)

    def get(self, kind: str, id_: str, param: str = "id") -> Document:
        """The object, also a deleted one; raises what Stripe answers if there is none."""
        document = self.store.find(kind, id_)
        if document is None:
            raise missing(kind, id_, param)
        return document

    def find(self, kind: str, id_: str | None) -> Document | None:
        return self.store.find(kind, id_) if id_ else None

    def all(self, kind: str, **references: str) -> list[Document]:
        return self.store.all(kind, **references)

    def save(self, document: Document) -> Document:
        return self.store.save(document["object"], document["id"], document)

    def notes(self, id_: str) -> Document:
        """What Stripe knows of an object but does not show; save with `note`."""
        return self.store.find("notes", id_) or {}

    def note(self, id_: str, **values: Any) -> None:
        self.store.save("notes", id_, self.notes(id_) | values)

    def emit(self, kind: str, document: Document, before: Document | None = None) -> Document:
        """Record an event about the object as it is now; `before` makes its `previous_attributes`."""
        snapshot = msgspec.json.decode(msgspec.json.encode(document))
        data = {"object": snapshot}
        if before is not None:
            data["previous_attributes"] = changes(before, snapshot)
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": CURRENT,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self._cause.request_id, "idempotency_key": self._cause.idempotency_key},
            "type": kind,
        }
        self.on_event(event)
        return self.save(event)

    def schedule(self, action: str, id_: str, due: int) -> None:
        """Let the clock do this to the object at that moment; a later call moves it."""
        key = f"{action}:{id_}"
        self.store.save("timer", key, {"action": action, "id": id_, "due": due})
        self.on_schedule(due, key)

    def unschedule(self, action: str, id_: str) -> None:
        key = f"{action}:{id_}"
        if self.store.find("timer", key):
            self.store.remove("timer", key)


def copied(document: Document) -> Document:
    """The object as it is now, to compare with later."""
    result: Document = msgspec.json.decode(msgspec.json.encode(document))
    return result


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The old values of what differs; inside objects only what differs there."""
    differing = {}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        nested = isinstance(old, dict) and isinstance(new, dict)
        differing[name] = changes(old or {}, new or {}) if nested else old
    return differing
