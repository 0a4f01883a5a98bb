"""Whatever customers, operators, banks and the clock do in whatever order: the books stay true."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from scripts.stripe_sim import disputes, paying, refunds
from scripts.stripe_sim.api import Request
from scripts.stripe_sim.errors import ApiError
from scripts.stripe_sim.settings import Settings
from scripts.stripe_sim.simulator import Simulator
from scripts.stripe_sim.store import Document
from tests.stripe_sim.process import KEY, START

HOUR = 3600
FOR_EVER = {
    "subscription": {"canceled", "incomplete_expired"},
    "checkout.session": {"complete", "expired"},
    "payment_intent": {"succeeded", "canceled"},
    "invoice": {"paid", "void"},
    "dispute": {"won", "lost"},
    "refund": {"failed"},
}
TOLD = ("subscription", "invoice", "dispute", "refund", "checkout.session", "payment_intent")


class Books(RuleBasedStateMachine):
    """Requests that Stripe refuses are refused here too, and change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sim = Simulator(Settings(secret_key=KEY, seed="books", frozen=START))
        self.ended: dict[str, str] = {}

    def teardown(self) -> None:
        self.sim.close()

    def request(self, method: str, path: str, params: dict[str, Any] | None = None) -> Document | None:
        headers = {"authorization": f"Bearer {KEY}"}
        answer = self.sim.api.answer(Request(method, f"/v1/{path}", urlencode(params or {}), headers))
        assert answer.status in {200, 400, 402, 404}, answer.body
        return answer.body if answer.status == 200 else None

    def pick(self, kind: str, dice: random.Random) -> Document | None:
        documents = self.all(kind)
        return dice.choice(documents) if documents else None

    def all(self, kind: str) -> list[Document]:
        with self.sim.account.transaction():
            return self.sim.account.all(kind)

    @initialize()
    def open_shop(self) -> None:
        price = {"currency": "usd", "unit_amount": 1000, "product_data[name]": "Thing"}
        self.prices = {
            "payment": self.request("POST", "prices", price),
            "subscription": self.request("POST", "prices", price | {"recurring[interval]": "month"}),
        }

    @rule(
        mode=st.sampled_from(["payment", "subscription"]),
        quantity=st.integers(1, 3),
        method=st.sampled_from([None, *paying.CHOICES]),
    )
    def check_out(self, mode: str, quantity: int, method: str | None) -> None:
        price = self.prices[mode] or {}
        params = {"mode": mode, "success_url": "https://shop.example", "line_items[0][quantity]": quantity}
        session = self.request("POST", "checkout/sessions", params | {"line_items[0][price]": price["id"]})
        assert session
        if method:
            self.inside(session, lambda it: paying.pay(self.sim.account, it, paying.CHOICES[method], PAYER))

    @rule(dice=st.randoms(use_true_random=False), method=st.sampled_from([*paying.CHOICES]))
    def press(self, dice: random.Random, method: str) -> None:
        if session := self.pick("checkout.session", dice):
            self.inside(session, lambda it: paying.pay(self.sim.account, it, paying.CHOICES[method], PAYER))

    @rule(dice=st.randoms(use_true_random=False), proved=st.booleans())
    def authenticate(self, dice: random.Random, proved: bool) -> None:
        if session := self.pick("checkout.session", dice):
            self.inside(session, lambda it: paying.authenticate(self.sim.account, it, proved=proved))

    @rule(dice=st.randoms(use_true_random=False), amount=st.integers(1, 2500))
    def refund(self, dice: random.Random, amount: int) -> None:
        if charge := self.pick("charge", dice):
            self.request("POST", "refunds", {"charge": charge["id"], "amount": amount})

    @rule(dice=st.randoms(use_true_random=False), status=st.sampled_from(["succeeded", "failed"]))
    def bank_reports(self, dice: random.Random, status: str) -> None:
        if refund := self.pick("refund", dice):
            self.inside(refund, lambda it: refunds.move(self.sim.account, it, status))

    @rule(dice=st.randoms(use_true_random=False))
    def dispute(self, dice: random.Random) -> None:
        if charge := self.pick("charge", dice):
            self.inside(charge, lambda it: disputes.open_dispute(self.sim.account, it))

    @rule(dice=st.randoms(use_true_random=False), status=st.sampled_from(["won", "lost"]))
    def decide(self, dice: random.Random, status: str) -> None:
        if dispute := self.pick("dispute", dice):
            self.inside(dispute, lambda it: disputes.close_dispute(self.sim.account, it, status))

    @rule(
        dice=st.randoms(use_true_random=False),
        action=st.sampled_from(["cancel", "later", "again", "pause", "resume"]),
    )
    def manage(self, dice: random.Random, action: str) -> None:
        if not (subscription := self.pick("subscription", dice)):
            return
        path = f"subscriptions/{subscription['id']}"
        if action == "cancel":
            self.request("DELETE", path)
        elif action in {"later", "again"}:
            later = "true" if action == "later" else "false"
            self.request("POST", path, {"cancel_at_period_end": later})
        else:
            self.request("POST", f"{path}/{action}")

    @rule(dice=st.randoms(use_true_random=False), action=st.sampled_from(["pay", "void"]))
    def invoice(self, dice: random.Random, action: str) -> None:
        if invoice := self.pick("invoice", dice):
            self.request("POST", f"invoices/{invoice['id']}/{action}")

    @rule(dice=st.randoms(use_true_random=False))
    def expire(self, dice: random.Random) -> None:
        if session := self.pick("checkout.session", dice):
            self.request("POST", f"checkout/sessions/{session['id']}/expire")

    @rule(hours=st.sampled_from([0, 1, 6, 24, 5 * 24, 32 * 24]))
    def time_passes(self, hours: int) -> None:
        self.sim.advance(self.sim.account.now + hours * HOUR)

    def inside(self, document: Document, work: Any) -> None:
        """As the pages and the control do it: all of it, or nothing."""
        account = self.sim.account
        try:
            with account.transaction():
                work(account.get(document["object"], document["id"]))
        except ApiError:
            pass

    @invariant()
    def refunds_are_within_what_was_captured(self) -> None:
        for charge in self.all("charge"):
            given = [
                refund["amount"]
                for refund in self.all("refund")
                if refund["charge"] == charge["id"] and refund["status"] != "failed"
            ]
            assert charge["amount_refunded"] == sum(given) <= charge["amount_captured"]
            assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])

    @invariant()
    def an_intent_is_paid_by_at_most_one_charge(self) -> None:
        charges = self.all("charge")
        for intent in self.all("payment_intent"):
            paid = [each for each in charges if each["payment_intent"] == intent["id"] and each["captured"]]
            assert len(paid) == (intent["status"] == "succeeded")
            assert sum(charge["amount_captured"] for charge in paid) == intent["amount_received"]

    @invariant()
    def what_is_over_stays_as_it_is(self) -> None:
        for kind, final in FOR_EVER.items():
            for document in self.all(kind):
                status, id_ = document["status"], document["id"]
                assert self.ended.get(id_, status) == status
                if status in final:
                    self.ended[id_] = status

    @invariant()
    def the_last_event_about_an_object_shows_its_state(self) -> None:
        shown: dict[str, Document] = {}
        for event in self.all("event"):
            snapshot = event["data"]["object"]
            shown[snapshot["id"]] = snapshot
        for kind in TOLD:
            for document in self.all(kind):
                if document["id"] in shown:
                    assert shown[document["id"]]["status"] == document["status"], document["id"]
        for subscription in self.all("subscription"):
            assert shown[subscription["id"]] == subscription | {
                "latest_invoice": shown[subscription["id"]]["latest_invoice"]
            }

    @invariant()
    def only_live_subscriptions_have_something_due(self) -> None:
        due = {timer["id"] for timer in self.all("timer")}
        for subscription in self.all("subscription"):
            if subscription["status"] in FOR_EVER["subscription"]:
                assert subscription["id"] not in due


PAYER = paying.Payer("ada@example.com", "Ada")


def test_the_books_stay_true() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
