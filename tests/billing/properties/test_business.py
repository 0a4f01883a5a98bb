"""Whatever customers, banks, operators, network and worker do: the database ends where Stripe is."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given

from tests.billing.properties.examples import Stage, bounded
from tests.billing.properties.play import Chaos, Step
from tests.billing.properties.steps import CHAOS, STEPS


def test_the_database_follows_stripe(stage_of_examples: Stage) -> None:
    @bounded(40)
    @given(steps=STEPS, chaos=CHAOS)
    def follows(steps: Sequence[Step], chaos: Chaos) -> None:
        stage_of_examples.show(steps, chaos)

    follows()
