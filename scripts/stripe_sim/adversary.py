"""What goes wrong between Stripe and the endpoint: the same seed does the same to the same event."""

from __future__ import annotations

import random

import msgspec


class Adversary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely each fault is; all zero is a perfect network."""

    seed: int = 0
    duplicate: float = 0
    """Share of events that are delivered more than once."""
    copies: int = 2
    """At most so many more."""
    reorder: int = 0
    """An event may arrive after up to so many later ones."""
    delay: float = 0
    """Share of deliveries that wait."""
    delay_seconds: int = 3600
    """At most so long, by the clock of the simulator."""
    drop: float = 0
    """Share of events that are never delivered; reading the events finds them."""
    fail: float = 0
    """Share of deliveries whose answer gets lost, so that they are repeated although they arrived."""
    same_second: int = 0
    """Events of so many seconds bear the same time; 0 leaves it as it is."""
    parallel: int = 1
    """So many deliveries are under way at once."""

    def fate(self, number: int) -> Fate:
        """What happens to the event of this number; it depends on nothing else."""
        dice = random.Random(f"{self.seed}:{number}")  # noqa: S311  (no secret)
        dropped, repeated, lost = dice.random(), dice.random(), dice.random()
        copies = dice.randint(1, max(1, self.copies)) if repeated < self.duplicate else 0
        travels = tuple(
            Travel(
                place=number + (dice.uniform(0, self.reorder + 0.5) if self.reorder else 0),
                delay=dice.randint(1, max(1, self.delay_seconds)) if dice.random() < self.delay else 0,
                answer_lost=index == 0 and lost < self.fail,
            )
            for index in range(1 + copies)
        )
        return Fate(dropped=dropped < self.drop, travels=travels)


class Travel(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: after what it arrives, how late, and whether Stripe learns that it did."""

    place: float
    delay: int
    answer_lost: bool


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one event."""

    dropped: bool
    travels: tuple[Travel, ...]
