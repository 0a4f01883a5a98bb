"""What lies between Stripe and the database: events are late, come twice, in any order, and some never."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial

from scripts.stripe_sim.store import Document
from tests.billing.properties.database import LANES, Database
from tests.billing.properties.stripe_account import StripeAccount

RECEIVE = "select edge.receive_stripe_event(%s)"
TWICE = 0.15
"""Share of deliveries that are repeated some time later."""


@dataclass
class Network:
    """Events under way, and those that were lost."""

    database: Database
    stripe: StripeAccount
    dice: random.Random
    loses: float = 0
    under_way: list[Document] = field(default_factory=list)
    lost: list[Document] = field(default_factory=list)
    known: int = 0

    def listen(self) -> None:
        """Take what Stripe has told since."""
        for event in self.stripe.events(self.known):
            self.known += 1
            if self.dice.random() < self.loses:
                self.lost.append(event)
            else:
                self.under_way.append(event)

    def deliver(self, count: int) -> None:
        """So many of those under way arrive, whichever they are, some of them at once."""
        self.listen()
        while count > 0 and self.under_way:
            batch = [self._pick() for _ in range(min(self.dice.randint(1, LANES), len(self.under_way)))]
            self.database.at_once([partial(self._hand_over, event) for event in batch])
            count -= len(batch)

    def deliver_all(self) -> None:
        self.listen()
        while self.under_way:
            self.deliver(len(self.under_way))

    def find_some_lost(self) -> None:
        """Stripe tries again for days."""
        self.under_way += [event for event in self.lost if self.dice.random() < 0.5]

    def _pick(self) -> Document:
        place = self.dice.randrange(len(self.under_way))
        if self.dice.random() < TWICE:
            return self.under_way[place]
        return self.under_way.pop(place)

    def _hand_over(self, event: Document, lane: int) -> None:
        became = self.database.service(RECEIVE, event, lane=lane)
        assert became in {"applied", "duplicate", "ignored", "waiting"}, (became, event["type"])
