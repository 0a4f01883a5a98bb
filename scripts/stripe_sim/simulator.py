"""The whole simulator without HTTP: state, clock, API, deliveries."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.api import Api
from scripts.stripe_sim.clock import Clock
from scripts.stripe_sim.courier import Courier
from scripts.stripe_sim.deliveries import Deliveries
from scripts.stripe_sim.faults import Faults
from scripts.stripe_sim.settings import Settings
from scripts.stripe_sim.store import Store
from scripts.stripe_sim.timers import Timers


class Simulator:
    """One Stripe account."""

    def __init__(self, settings: Settings, machine_clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._machine_clock = machine_clock
        self.store = Store(settings.state)
        self.faults = Faults()
        self.account = Account(self.store, Clock(machine_clock), "")
        self.deliveries = Deliveries(self.account)
        self.timers = Timers(self.account)
        self.courier = Courier(self.account, self.deliveries)
        self._begin(settings)

    def _begin(self, settings: Settings) -> None:
        """Go on where the store says, or begin as the settings say."""
        known = self.store.find("setting", "identity") or {
            "seed": settings.seed or secrets.token_hex(8),
            "frozen": settings.frozen,
            "offset": 0,
        }
        self.account.seed = known["seed"]
        self.account.clock = Clock(self._machine_clock, frozen=known["frozen"], offset=known["offset"])
        with self.account.transaction():
            self.store.save("setting", "identity", known)
            self.account.note("server", url=settings.url)
            wanted = {"url": settings.webhook_url, "secrets": [*settings.webhook_secrets]}
            webhook = self.store.find("setting", "webhook") or {}
            self.store.save("setting", "webhook", webhook | wanted)
        self.api = Api(self.account, settings.secret_key, self.faults)

    def advance(self, to: int) -> int:
        """Move the clock to this moment; what is due on the way happens on the way. How much that was."""
        count = self.timers.run(to)
        with self.account.transaction():
            self.account.clock.move_to(max(to, self.account.now))
            identity = self.store.find("setting", "identity") or {}
            clock = self.account.clock
            self.store.save(
                "setting", "identity", identity | {"frozen": clock.frozen, "offset": clock.offset}
            )
        return count

    def reset(self, seed: str | None, frozen: int | None) -> None:
        """Forget everything and start anew with this seed and clock."""
        self.store.clear()
        self.faults.clear()
        self.timers.forget()
        self._begin(replace(self.settings, seed=seed or self.settings.seed, frozen=frozen))

    def close(self) -> None:
        self.store.close()
