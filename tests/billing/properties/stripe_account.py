"""A Stripe account inside the test: the simulator without HTTP, and whoever acts on it from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from scripts.stripe_sim import disputes, paying, portal, refunds
from scripts.stripe_sim.adversary import Adversary
from scripts.stripe_sim.api import Request
from scripts.stripe_sim.errors import ApiError
from scripts.stripe_sim.intents import decline_next
from scripts.stripe_sim.settings import Settings
from scripts.stripe_sim.simulator import Simulator
from scripts.stripe_sim.store import Document
from tests.stripe_sim.process import KEY, START

PAYER = paying.Payer("payer@example.com", "Payer")


class Refused(Exception):
    """Stripe said no for good."""


class StripeAccount:
    """Objects, events and balance of one account; time stands still until it is moved."""

    def __init__(self, seed: str) -> None:
        self.sim = Simulator(Settings(secret_key=KEY, seed=seed, frozen=START))

    def close(self) -> None:
        self.sim.close()

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Document:
        """What the API answers; raises `Refused` for what it will never do."""
        headers = {"authorization": f"Bearer {KEY}"} | ({"idempotency-key": key} if key else {})
        encoded = urlencode([*_flat(params or {})])
        answer = self.sim.api.answer(Request(method, f"/v1/{path}", encoded, headers))
        if answer.status != 200:
            assert answer.status in {400, 402, 404}, answer.body
            raise Refused(answer.body["error"]["message"])
        return dict(answer.body)

    def found(self, path: str) -> list[Document]:
        """The object, or nothing if there is none."""
        try:
            return [self.request("GET", path)]
        except Refused:
            return []

    def listed(self, path: str, params: Mapping[str, Any] | None = None) -> list[Document]:
        return list(self.request("GET", path, {"limit": 100} | dict(params or {}))["data"])

    def all(self, kind: str) -> list[Document]:
        with self.sim.account.transaction():
            return self.sim.account.all(kind)

    def events(self, known: int = 0) -> list[Document]:
        """The events after the first so many, oldest first."""
        return self.all("event")[known:]

    def tell_the_same_time(self, seconds: int) -> None:
        """From now on events of so many seconds bear the same time."""
        with self.sim.account.transaction():
            self.sim.deliveries.configure(Adversary(same_second=seconds))

    def pass_time(self, seconds: int) -> None:
        self.sim.advance(self.sim.account.now + seconds)

    def pay(self, session: Document, choice: str) -> None:
        self._inside(session, lambda it: paying.pay(self.sim.account, it, paying.CHOICES[choice], PAYER))

    def authenticate(self, session: Document, *, proved: bool) -> None:
        self._inside(session, lambda it: paying.authenticate(self.sim.account, it, proved=proved))

    def settle(self, intent: Document, outcome: str) -> None:
        self._inside(intent, lambda it: paying.settle(self.sim.account, it, outcome))

    def report_refund(self, refund: Document, status: str) -> None:
        self._inside(refund, lambda it: refunds.move(self.sim.account, it, status))

    def dispute(self, charge: Document) -> None:
        self._inside(charge, lambda it: disputes.open_dispute(self.sim.account, it))

    def decide(self, dispute: Document, status: str) -> None:
        self._inside(dispute, lambda it: disputes.close_dispute(self.sim.account, it, status))

    def use_portal(self, subscription: Document, action: str) -> None:
        session = self.request("POST", "billing_portal/sessions", {"customer": subscription["customer"]})
        self._inside(subscription, lambda it: portal.act(self.sim.account, session, it["id"], action))

    def decline_next(self, times: int) -> None:
        with self.sim.account.transaction():
            decline_next(self.sim.account, times, "generic_decline")

    def _inside(self, document: Document, work: Any) -> None:
        """As the pages do it: all of it, or nothing if it is not possible any more."""
        account = self.sim.account
        try:
            with account.transaction():
                work(account.get(document["object"], document["id"]))
        except ApiError:
            pass


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        elif isinstance(value, list):
            yield from _flat({str(index): item for index, item in enumerate(value)}, key)
        elif isinstance(value, bool):
            yield key, str(value).lower()
        elif value is not None:
            yield key, str(value)
