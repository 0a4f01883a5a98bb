"""Databases that examples share as long as none of them fails, and the run of one example."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, seed, settings

from scripts.stack.stack import Stack
from tests.acting import Person, World
from tests.billing.properties.casting import cast, open_shop
from tests.billing.properties.comparing import Ledger, differences
from tests.billing.properties.database import Database
from tests.billing.properties.play import Chaos, Play, Step
from tests.billing.properties.stripe_account import StripeAccount

EXAMPLES = int(os.environ.get("BILLING_EXAMPLES", "0"))
"""Instead of the few that CI tries."""
SEED = int(os.environ.get("BILLING_SEED", "0"))
"""Other examples: the same number tries the same ones again."""

Ending = Callable[[Play], None]


def bounded(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many examples, the same in every run, unless the environment wants more or others."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        chosen = settings(
            max_examples=EXAMPLES or examples,
            deadline=None,
            database=None,
            derandomize=not SEED,
            report_multiple_bugs=False,
            phases=[Phase.generate, *([] if os.environ.get("BILLING_UNSHRUNK") else [Phase.shrink])],
            suppress_health_check=[*HealthCheck],
        )(test)
        return seed(SEED)(chosen) if SEED else chosen

    return decorate


@dataclass
class Stage:
    """Where plays are given: a clean database, another one after each failure."""

    stack: Stack
    clone: Callable[[], AbstractContextManager[World]]
    prepare: Callable[[Database], None] = lambda database: None
    number: int = 0
    stacked: ExitStack = field(default_factory=ExitStack)
    opened: tuple[Database, tuple[uuid.UUID, Person]] | None = None

    def show(self, steps: Sequence[Step], chaos: Chaos, ending: Ending = Play.settle) -> None:
        """Run the steps, let everything arrive, and compare with what Stripe says."""
        with self.playing(chaos) as play:
            before = Ledger(play.database)
            play.run(steps)
            ending(play)
            wrong = differences(play, before)
            assert not wrong, "\n".join(wrong)

    @contextmanager
    def playing(self, chaos: Chaos) -> Iterator[Play]:
        """A new cast on the clean database, an empty account at Stripe."""
        database, (price, boss) = self.opened or self._open()
        self.number += 1
        stripe = StripeAccount(f"{chaos.seed}:{self.number}")
        try:
            database.rows("delete from billing.reconciliations")  # Stripe's clock begins anew
            yield Play(database, stripe, cast(database, price, boss), chaos)
        except BaseException:
            self.close()
            raise
        finally:
            stripe.close()

    def _open(self) -> tuple[Database, tuple[uuid.UUID, Person]]:
        world = self.stacked.enter_context(self.clone())
        database = Database.of(world, self.stack)
        self.stacked.callback(database.close)
        self.opened = database, open_shop(world)
        self.prepare(database)
        return self.opened

    def close(self) -> None:
        self.stacked.close()
        self.opened = None


@contextmanager
def stage(stack: Stack, clone: Callable[[], AbstractContextManager[World]]) -> Iterator[Stage]:
    opened = Stage(stack, clone)
    try:
        yield opened
    finally:
        opened.close()
