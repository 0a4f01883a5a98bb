"""The same events in whatever order end in the same state: that of Stripe."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from scripts.stripe_sim.store import Document
from tests.billing.properties.examples import Stage
from tests.billing.properties.older import as_before
from tests.billing.properties.play import Chaos, Step
from tests.billing.properties.rehearsal import Rehearsal
from tests.billing.properties.scenes import ONLY, ORDERS, SUBSCRIPTIONS

ALL_UP_TO = 4
"""All orders of so few events …"""
SOME = 16
"""… else so many of them, beside the true one and its reverse."""


@contextmanager
def rehearsing(stage: Stage, steps: Sequence[Step]) -> Iterator[Rehearsal]:
    with stage.playing(Chaos()) as play:
        play.run(steps)
        rehearsal = Rehearsal(play)
        try:
            yield rehearsal
        finally:
            rehearsal.close()


def orders(events: Sequence[Document], some: int = SOME) -> Iterator[list[Document]]:
    if len(events) <= ALL_UP_TO:
        yield from (list(order) for order in itertools.permutations(events))
        return
    dice = random.Random(len(events))  # noqa: S311  (no secret)
    yield list(events)
    yield list(reversed(events))
    for _ in range(some):
        yield dice.sample([*events, dice.choice(events)], len(events) + 1)


def check(rehearsal: Rehearsal, events: Sequence[Document], *, asks: bool, some: int = SOME) -> None:
    for order in orders(events, some):
        wrong = rehearsal.wrong(order, asks=asks)
        assert not wrong, "\n".join([*(event["type"] for event in order), *wrong])


@pytest.mark.parametrize("scene", ORDERS)
def test_orders(stage_of_examples: Stage, scene: str) -> None:
    with rehearsing(stage_of_examples, ORDERS[scene]) as rehearsal:
        check(rehearsal, rehearsal.events(), asks=False)


@pytest.mark.parametrize("told", ONLY)
@pytest.mark.parametrize("scene", ["refunded in part", "refunded"])
def test_refunds_that_are_told_in_one_way_only(stage_of_examples: Stage, scene: str, told: str) -> None:
    with rehearsing(stage_of_examples, ORDERS[scene]) as rehearsal:
        both = frozenset().union(*ONLY.values())
        events = [event for event in rehearsal.events() if event["type"] not in both - ONLY[told]]
        check(rehearsal, events, asks=False)


@pytest.mark.parametrize("scene", SUBSCRIPTIONS)
def test_subscriptions(stage_of_examples: Stage, scene: str) -> None:
    with rehearsing(stage_of_examples, SUBSCRIPTIONS[scene]) as rehearsal:
        check(rehearsal, rehearsal.events(), asks=True, some=8)


@pytest.mark.parametrize("scene", ["renewed, refunded", "renewal fails for good"])
def test_subscriptions_in_the_shapes_of_before(stage_of_examples: Stage, scene: str) -> None:
    with rehearsing(stage_of_examples, SUBSCRIPTIONS[scene]) as rehearsal:
        intents = {
            payment["invoice"]: payment["payment"]["payment_intent"]
            for payment in rehearsal.play.stripe.all("invoice_payment")
        }
        check(rehearsal, [*as_before(rehearsal.events(), intents)], asks=True, some=8)
