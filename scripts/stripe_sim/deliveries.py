"""Deliveries of events: planned in the event's own transaction, and repeated until they arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.adversary import Adversary
from scripts.stripe_sim.clock import DAY, HOUR
from scripts.stripe_sim.store import Document

BACKOFF = (5, 60, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, *(12 * HOUR,) * 5)
"""Seconds before each repetition: about three days in all."""
RETENTION = 30 * DAY
"""So long events can be read."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events go."""

    url: str = ""
    secrets: tuple[str, ...] = ()
    """The endpoint's signing secrets; two while one replaces the other."""
    api_version: str | None = None
    """Whose shapes it wants, if not the current version's."""
    events: tuple[str, ...] = ("*",)
    hold: bool = False
    """Deliver only when asked to."""


class Deliveries:
    """Kept in the store like everything else: what is acknowledged is delivered, also after a crash."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.on_planned: Callable[[], None] = lambda: None
        account.on_event = self.plan

    @property
    def webhook(self) -> Webhook:
        return msgspec.convert(self._setting("webhook"), Webhook)

    @property
    def adversary(self) -> Adversary:
        return msgspec.convert(self._setting("adversary"), Adversary)

    def configure(self, settings: Webhook | Adversary) -> None:
        name = "webhook" if isinstance(settings, Webhook) else "adversary"
        self._account.store.save("setting", name, msgspec.to_builtins(settings))

    def plan(self, event: Document) -> None:
        """Stage the deliveries of a new event, as the adversary wants them."""
        number, adversary, webhook = self._account.number("event"), self.adversary, self.webhook
        if adversary.same_second:
            event["created"] -= event["created"] % adversary.same_second
        if not webhook.url or not {"*", event["type"]} & set(webhook.events):
            return
        fate = adversary.fate(number)
        for travel in fate.travels:
            id_ = f"{self._account.number('delivery'):09d}"
            delivery = {
                "id": id_,
                "event": event["id"],
                "type": event["type"],
                "number": number,
                "place": travel.place,
                "due": self._account.now + travel.delay,
                "attempt": 1,
                "answer_lost": travel.answer_lost,
            }
            if fate.dropped:
                self._account.store.save("delivered", id_, delivery | {"outcome": "dropped"})
            else:
                self._account.store.save("pending", id_, delivery)
        self.on_planned()

    def resend(self, event_id: str) -> None:
        """Deliver this event once more, whatever became of it."""
        event = self._account.get("event", event_id)
        id_ = f"{self._account.number('delivery'):09d}"
        delivery = {"id": id_, "event": event_id, "type": event["type"], "number": 0, "place": 0.0}
        delivery |= {"due": self._account.now, "attempt": 1, "answer_lost": False}
        self._account.store.save("pending", id_, delivery)

    def pending(self) -> list[Document]:
        """What waits, in the order in which it will arrive."""
        return sorted(self._account.all("pending"), key=lambda delivery: (delivery["place"], delivery["id"]))

    def due(self, *, everything: bool = False) -> list[Document]:
        """What may arrive now."""
        now = self._account.now
        return [delivery for delivery in self.pending() if everything or delivery["due"] <= now]

    def newest(self) -> int:
        """The number of the newest event."""
        return int((self._account.store.find("counter", "event") or {"value": 0})["value"])

    def settle(self, delivery: Document, status: int | None) -> None:
        """Note how the endpoint answered; anything but 2xx is repeated later."""
        store = self._account.store
        if store.find("pending", delivery["id"]) is None:
            return  # everything was forgotten meanwhile
        arrived = status is not None and 200 <= status < 300
        if arrived and not delivery["answer_lost"]:
            store.remove("pending", delivery["id"])
            store.save("delivered", delivery["id"], delivery | {"outcome": "delivered", "status": status})
            return
        if delivery["attempt"] > len(BACKOFF):
            store.remove("pending", delivery["id"])
            store.save("delivered", delivery["id"], delivery | {"outcome": "given_up", "status": status})
            return
        wait = BACKOFF[delivery["attempt"] - 1]
        later = {"attempt": delivery["attempt"] + 1, "due": self._account.now + wait, "answer_lost": False}
        store.save("pending", delivery["id"], delivery | later)

    def _setting(self, name: str) -> dict[str, Any]:
        return self._account.store.find("setting", name) or {}


def batches(deliveries: Sequence[Document], size: int) -> list[Sequence[Document]]:
    """In order, so many at once."""
    return [deliveries[start : start + size] for start in range(0, len(deliveries), max(1, size))]
