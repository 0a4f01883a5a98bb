"""One example: some customers, what they and their banks do, and what the network makes of it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import psycopg

from scripts.stripe_sim.store import Document
from tests.acting import Row
from tests.billing.properties.casting import Cast
from tests.billing.properties.database import Database
from tests.billing.properties.edge import Edge
from tests.billing.properties.network import Network
from tests.billing.properties.stripe_account import Refused, StripeAccount
from tests.billing.properties.worker import Worker

HOUR = 3600
Item = TypeVar("Item")


class Step(msgspec.Struct, frozen=True):
    """What somebody does, to which of the things that it can be done to, and how."""

    do: str
    how: str | int = ""
    which: int = 0


class Chaos(msgspec.Struct, frozen=True):
    """How the network and the clock behave."""

    seed: int = 0
    loses: float = 0
    same_second: int = 0
    ticks: bool = False
    forgets: bool = False
    """Whether Stripe has forgotten its events when everything is compared."""


@dataclass
class Play:
    """Runs steps; what is not possible at that moment is not done."""

    database: Database
    stripe: StripeAccount
    cast: Cast
    chaos: Chaos
    retried: set[str] = field(default_factory=set)
    gone: set[uuid.UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.chaos.seed)  # noqa: S311  (no secret)
        self.edge = Edge(self.database, self.stripe)
        self.worker = Worker(self.database, self.stripe, self.dice)
        self.network = Network(self.database, self.stripe, self.dice, self.chaos.loses)
        if self.chaos.same_second:
            self.stripe.tell_the_same_time(self.chaos.same_second)

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self.chaos.ticks:
                self.stripe.pass_time(1)
            getattr(self, step.do)(step)

    def settle(self) -> None:
        """Everything arrives, and all work is done."""
        self.network.deliver_all()
        self.worker.drain()
        self.network.deliver_all()
        self.worker.drain()

    def reconcile(self) -> None:
        """What arrived is applied, what got lost is found, and some of it arrives later all the same."""
        self.network.deliver_all()
        self.worker.try_hard()
        self.worker.sees_events = not self.chaos.forgets
        self.worker.reconcile()
        if self.chaos.forgets:
            self.worker.reconcile()  # what was fetched before what it refers to agrees the next time
        self.network.find_some_lost()
        self.settle()

    # Customers

    def buy(self, step: Step) -> None:
        person = (self.cast.ada, self.cast.bob)[step.which % 2]
        if person.id not in self.gone:
            checkout = self.edge.check_out(person, self.cast.price, 1 + step.which % 3)
            self._open(checkout, str(step.how))

    def subscribe(self, step: Step) -> None:
        person, organization = self.cast.payers[step.which % 3]
        if person.id not in self.gone:
            checkout = self.edge.subscribe(person, organization)
            self._open(checkout, str(step.how), trial_days=7 if step.which % 4 == 3 else None)

    def _open(self, checkout: Row | None, how: str, trial_days: int | None = None) -> None:
        """Open the session and go on to pay, or crash before or after Stripe was asked."""
        if checkout is None or how == "crash":
            return
        if how == "crash_after":
            self.edge.ask(checkout, trial_days)
            return
        self.edge.open(checkout, trial_days)
        if how:
            ours = [
                s
                for s in self._open_sessions()
                if s["metadata"].get("checkout_id") == checkout["checkout_id"]
            ]
            for session in ours:
                self.stripe.pay(session, how)

    def retry(self, step: Step) -> None:
        orders = self.database.rows(
            "select id, user_id from public.orders where user_id = any (%s) order by created_at, id",
            [self.cast.ada.id, self.cast.bob.id],
        )
        if order := _one(orders, step):
            person = self.cast.ada if order["user_id"] == self.cast.ada.id else self.cast.bob
            if person.id not in self.gone and (checkout := self.edge.retry(person, order["id"])):
                self.retried.add(str(order["id"]))
                self._open(checkout, str(step.how))

    def pay(self, step: Step) -> None:
        if session := _one(self._open_sessions(), step):
            self.stripe.pay(session, str(step.how))

    def authenticate(self, step: Step) -> None:
        if session := _one(self._open_sessions(), step):
            self.stripe.authenticate(session, proved=step.how == "proved")

    def _open_sessions(self) -> list[Document]:
        return [session for session in self.stripe.all("checkout.session") if session["status"] == "open"]

    def portal(self, step: Step) -> None:
        if subscription := _one(self.stripe.all("subscription"), step):
            self.stripe.use_portal(subscription, str(step.how))

    def leave(self, _: Step) -> None:
        """Bob deletes his account; whatever he has is ended, at Stripe too."""
        self.gone.add(self.cast.bob.id)
        self.database.world.as_auth_service("delete from auth.users where id = %s", self.cast.bob.id)

    # Banks and clocks

    def settle_debit(self, step: Step) -> None:
        waiting = [each for each in self.stripe.all("payment_intent") if each["status"] == "processing"]
        if intent := _one(waiting, step):
            self.stripe.settle(intent, str(step.how))

    def decline_next(self, step: Step) -> None:
        self.stripe.decline_next(int(step.how))

    def pass_hours(self, step: Step) -> None:
        self.stripe.pass_time(int(step.how) * HOUR)

    def report_refund(self, step: Step) -> None:
        if refund := _one(self.stripe.all("refund"), step):
            self.stripe.report_refund(refund, str(step.how))

    def dispute(self, step: Step) -> None:
        if charge := _one([each for each in self.stripe.all("charge") if each["captured"]], step):
            self.stripe.dispute(charge)

    def decide(self, step: Step) -> None:
        if dispute := _one(self.stripe.all("dispute"), step):
            self.stripe.decide(dispute, str(step.how))

    # Operators

    def expire(self, step: Step) -> None:
        if session := _one(self._open_sessions(), step):
            self.stripe.request("POST", f"checkout/sessions/{session['id']}/expire")

    def refund_at_stripe(self, step: Step) -> None:
        if charge := _one([each for each in self.stripe.all("charge") if each["captured"]], step):
            left = charge["amount_captured"] - charge["amount_refunded"]
            try:
                amount = max(1, left * int(step.how) // 100)
                self.stripe.request("POST", "refunds", {"charge": charge["id"], "amount": amount})
            except Refused:
                pass

    def refund(self, step: Step) -> None:
        """An admin asks for it here."""
        payments = self.database.rows(
            "select p.id, p.amount from public.payments as p inner join billing.customers as c"
            " on p.customer_id = c.id where c.user_id = any (%s) or c.organization_id = %s"
            " order by p.paid_at, p.id",
            [self.cast.ada.id, self.cast.bob.id], self.cast.company,
        )  # fmt: skip
        if payment := _one(payments, step):
            amount = None if step.how == 100 else max(1, payment["amount"] * int(step.how) // 100)
            try:
                self.database.as_person(
                    self.cast.boss,
                    "select public.admin_refund_payment(%s, %s, 'duplicate')",
                    payment["id"],
                    amount,
                )
            except psycopg.Error as error:
                if error.diag.message_primary not in {"invalid_state", "validation_failed"}:
                    raise

    def stranger(self, step: Step) -> None:
        """A customer of something else that sells through the same account."""
        customer = self.stripe.request("POST", "customers", {"email": "stranger@example.com"})
        price = {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Other"}}
        mode = "subscription" if step.which % 2 else "payment"
        if mode == "subscription":
            price |= {"recurring": {"interval": "month"}}
        line = {"quantity": 1, "price_data": price}
        params = {
            "mode": mode,
            "customer": customer["id"],
            "line_items": [line],
            "success_url": "https://other.example",
        }
        session = self.stripe.request("POST", "checkout/sessions", params)
        self.stripe.pay(session, str(step.how))

    # Network and worker

    def deliver(self, step: Step) -> None:
        self.network.deliver(int(step.how))

    def work(self, step: Step) -> None:
        self.worker.begin(int(step.how))

    def record(self, _: Step) -> None:
        self.worker.finish()

    def vanish(self, _: Step) -> None:
        self.worker.vanish()


def _one(things: Sequence[Item], step: Step) -> Item | None:
    return things[step.which % len(things)] if things else None
