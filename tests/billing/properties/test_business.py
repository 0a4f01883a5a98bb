"""Whatever customers, banks, operators, network and worker do: the database ends where Stripe is."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given

from tests.billing.properties.examples import Stage, bounded
from tests.billing.properties.play import Chaos, Play, Step
from tests.billing.properties.steps import STEPS, chaos


def test_the_database_follows_stripe(stage_of_examples: Stage) -> None:
    @bounded(30)
    @given(steps=STEPS, network=chaos(0))
    def follows(steps: Sequence[Step], network: Chaos) -> None:
        stage_of_examples.show(steps, network)

    follows()


def test_what_got_lost_is_found(stage_of_examples: Stage) -> None:
    @bounded(15)
    @given(steps=STEPS, network=chaos(0.3, 0.8, 1))
    def heals(steps: Sequence[Step], network: Chaos) -> None:
        stage_of_examples.show(steps, network, Play.reconcile)

    heals()


def test_a_debit_that_failed_long_ago_is_found(stage_of_examples: Stage) -> None:
    def fail_unheard(play: Play) -> None:
        play.network.loses = 1
        play.run([Step("settle_debit", "generic_decline")])
        play.reconcile()

    steps = [Step("buy", "async_fail"), Step("deliver", 100)]
    stage_of_examples.show(steps, Chaos(forgets=True), fail_unheard)
