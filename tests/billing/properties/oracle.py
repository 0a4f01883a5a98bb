"""What the database should say, read off Stripe's own objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from scripts.stripe_sim.store import Document
from tests.billing.properties.stripe_account import StripeAccount

GIVES_TIER = frozenset({"trialing", "active", "past_due"})
ENDED = {"incomplete_expired": "canceled"}


@dataclass
class Truth:
    """Stripe's side of everything that is of customers whom the database knows."""

    stripe: StripeAccount
    customers: dict[str, str]
    """Our id of each by Stripe's."""
    heard: frozenset[str]
    """The events that arrived. Stripe forgets events after thirty days, and with them who was declined."""
    objects: dict[str, list[Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = (
            "checkout.session",
            "payment_intent",
            "charge",
            "refund",
            "dispute",
            "subscription",
            "invoice",
        )
        self.objects = {kind: self.stripe.all(kind) for kind in kinds}
        charges = {charge["id"]: charge for charge in self.objects["charge"] if self._ours(charge)}
        for kind in ("refund", "dispute"):
            self.objects[kind] = [each for each in self.objects[kind] if each["charge"] in charges]
        for kind in ("checkout.session", "payment_intent", "charge", "subscription", "invoice"):
            self.objects[kind] = [each for each in self.objects[kind] if self._ours(each)]
        self.declined = {
            event["data"]["object"]["id"]
            for event in self.stripe.events()
            if event["type"] == "payment_intent.payment_failed" and event["id"] in self.heard
        }
        """Payment intents of which at least one attempt failed."""
        self.charges = {
            charge["payment_intent"]: charge for charge in self.objects["charge"] if charge["captured"]
        }
        """What was captured, by payment intent."""
        self.sessions = {
            session["payment_intent"]: session
            for session in self.objects["checkout.session"]
            if session["payment_intent"]
        }
        self.invoice_intents = {
            payment["invoice"]: payment["payment"]["payment_intent"]
            for payment in self.stripe.all("invoice_payment")
            if payment["status"] == "paid"
        }

    def _ours(self, document: Document) -> bool:
        return document["customer"] in self.customers

    def payments(self) -> dict[str, tuple[Any, ...]]:
        """Status, amount and what went back, by payment intent or invoice."""
        found: dict[str, tuple[Any, ...]] = {}
        for intent in self.objects["payment_intent"]:
            if "checkout_id" in intent["metadata"] and (status := self._payment_status(intent)):
                found[intent["id"]] = (status, intent["amount"], self._refunded(intent["id"]))
        for invoice in self.objects["invoice"]:
            if invoice["status"] == "paid" and invoice["amount_paid"]:
                refunded = self._refunded(self.invoice_intents[invoice["id"]])
                found[invoice["id"]] = ("succeeded", invoice["amount_paid"], refunded)
        return found

    def _payment_status(self, intent: Document) -> str | None:
        if intent["status"] in {"succeeded", "processing"}:
            return str(intent["status"])
        completed = self.sessions.get(intent["id"], {}).get("status") == "complete"
        return "failed" if completed or intent["id"] in self.declined else None

    def _refunded(self, intent: str) -> int:
        return int(self.charges[intent]["amount_refunded"]) if intent in self.charges else 0

    def orders(self) -> dict[str, tuple[set[str], int]]:
        """The statuses that an order may have, and what went back, for each that Stripe has heard of."""
        attempts = defaultdict(list)
        for session in self.objects["checkout.session"]:
            if session["metadata"].get("order_id"):
                attempts[session["metadata"]["order_id"]].append(session)
        return {order: self._order(sessions) for order, sessions in attempts.items()}

    def _order(self, sessions: list[Document]) -> tuple[set[str], int]:
        intents = [session["payment_intent"] for session in sessions]
        for intent in intents:
            if charge := self.charges.get(intent):
                refunded = charge["amount_refunded"]
                partly = "partially_refunded" if refunded else "paid"
                return {"refunded" if refunded == charge["amount"] else partly}, refunded
        last = sessions[-1]
        if last["status"] == "open":
            # Declined, and not yet or once more tried again on the same page.
            return ({"failed", "pending"} if last["payment_intent"] in self.declined else {"pending"}), 0
        if last["status"] == "complete":
            return ({"failed"} if self._has_failed(last) else {"pending"}), 0
        return ({"failed"} if self.declined.intersection(intents) else {"expired"}), 0

    def _has_failed(self, session: Document) -> bool:
        (intent,) = (
            each for each in self.objects["payment_intent"] if each["id"] == session["payment_intent"]
        )
        return bool(intent["status"] == "requires_payment_method")

    def refunds(self) -> dict[str, tuple[Any, ...]]:
        return {refund["id"]: (refund["status"], refund["amount"]) for refund in self.objects["refund"]}

    def disputes(self) -> dict[str, tuple[Any, ...]]:
        return {dispute["id"]: (dispute["status"], dispute["amount"]) for dispute in self.objects["dispute"]}

    def subscriptions(self) -> dict[str, tuple[Any, ...]]:
        return {each["id"]: _shown(each) for each in self.objects["subscription"]}

    def pro(self) -> set[str]:
        """The customers, by our ids, that have the tier."""
        return {
            self.customers[each["customer"]]
            for each in self.objects["subscription"]
            if each["status"] in GIVES_TIER
        }

    def balances(self) -> dict[str, int]:
        """What each account of the ledger holds, in minor units; customers by our ids."""
        held: dict[str, int] = defaultdict(int)
        taken = {"needs_response": "disputed", "under_review": "disputed", "lost": None}
        for charge in self.objects["charge"]:
            kept = charge["amount_captured"] - charge["amount_refunded"]
            held["revenue"] += kept
            held[self.customers[charge["customer"]]] -= kept
            for dispute in self.objects["dispute"]:
                if dispute["charge"] == charge["id"] and dispute["status"] in taken:
                    held["revenue"] -= dispute["amount"]
                    held[taken[dispute["status"]] or self.customers[charge["customer"]]] += dispute["amount"]
        return {account: amount for account, amount in held.items() if amount}

    def gross(self) -> int:
        """What is in the account at Stripe before fees: it is what the platform earned."""
        sources = {each["id"] for kind in ("charge", "refund", "dispute") for each in self.objects[kind]}
        booked = self.stripe.all("balance_transaction")
        return sum(each["amount"] for each in booked if each["source"] in sources)


def _shown(subscription: Document) -> tuple[Any, ...]:
    item = subscription["items"]["data"][0]
    return (
        ENDED.get(subscription["status"], subscription["status"]),
        subscription["cancel_at_period_end"],
        item["current_period_start"],
        item["current_period_end"],
        subscription["trial_end"],
        subscription["canceled_at"],
        subscription["ended_at"],
    )
