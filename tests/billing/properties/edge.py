"""What the edge does between database and Stripe: stage, ask, record."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import psycopg

from scripts.stripe_sim.store import Document
from tests.acting import Person, Row
from tests.billing.properties.database import Database
from tests.billing.properties.stripe_account import Refused, StripeAccount

SUCCESS, CANCEL = "https://shop.example/orders/{ORDER_ID}?ok", "https://shop.example/orders/{ORDER_ID}"


@dataclass(frozen=True)
class Edge:
    """The routes of the edge, without HTTP."""

    database: Database
    stripe: StripeAccount

    def check_out(self, person: Person, price: uuid.UUID, quantity: int) -> Row | None:
        items = [{"price_id": str(price), "quantity": quantity}]
        return self._staged(person, "select edge.start_checkout(%s, %s, %s)", items, SUCCESS, CANCEL)

    def retry(self, person: Person, order: uuid.UUID) -> Row | None:
        return self._staged(person, "select edge.retry_order(%s)", order)

    def subscribe(self, person: Person, organization: uuid.UUID | None) -> Row | None:
        return self._staged(
            person,
            "select edge.start_subscription('pro', %s, %s, %s)",
            organization, "https://shop.example/billing", "https://shop.example/billing",
        )  # fmt: skip

    def _staged(self, person: Person, query: str, *parameters: object) -> Row | None:
        """The checkout; nothing if the database refuses for a reason of its own."""
        try:
            checkout: Row = self.database.as_person(person, query, *parameters)
        except psycopg.Error as error:
            if error.diag.message_primary not in {"invalid_state", "conflict"}:
                raise
            return None
        return checkout

    def ask(self, checkout: Row, trial_days: int | None = None) -> Document | None:
        """Have Stripe open a session for a staged checkout, whatever becomes of the answer."""
        if checkout["status"] != "staged":
            return None
        customer = checkout["customer"]
        name = customer["stripe_id"]
        if not name:
            created = self.stripe.request(
                "POST", "customers",
                {"email": customer["email"], "metadata": {"customer_id": customer["id"]}},
                f"customer:{customer['id']}",
            )  # fmt: skip
            bind = "select edge.bind_stripe_customer(%s, %s)"
            name = self.database.service(bind, customer["id"], created["id"])
        return self.stripe.request(
            "POST",
            "checkout/sessions",
            _session(checkout, name, trial_days),
            f"checkout:{checkout['checkout_id']}",
        )

    def open(self, checkout: Row, trial_days: int | None = None) -> None:
        """Ask, and record what Stripe answered."""
        try:
            session = self.ask(checkout, trial_days)
        except Refused as refused:
            self.database.service("select edge.fail_checkout(%s, %s)", checkout["checkout_id"], str(refused))
            return
        if session:
            self.database.service("select edge.open_checkout(%s, %s)", checkout["checkout_id"], session)


def _session(checkout: Row, customer: str, trial_days: int | None) -> Row:
    """The parameters, from the staged row alone (a trial is the test's own addition)."""
    ours = {"checkout_id": checkout["checkout_id"], "order_id": checkout["order_id"]}
    params = {
        "mode": checkout["kind"],
        "customer": customer,
        "client_reference_id": checkout["order_id"] or checkout["checkout_id"],
        "line_items": [_line(line) for line in checkout["lines"]],
        "metadata": ours,
        "success_url": checkout["success_url"],
        "cancel_url": checkout["cancel_url"],
    }
    if checkout["kind"] == "payment":
        return params | {"payment_intent_data": {"metadata": ours}}
    told = {"checkout_id": checkout["checkout_id"], "customer_id": checkout["customer"]["id"]}
    data = {"metadata": told | {"plan": checkout["plan"]}, "trial_period_days": trial_days}
    return params | {"subscription_data": data}


def _line(line: Row) -> Row:
    price = {
        "currency": line["currency"].lower(),
        "unit_amount": line["unit_amount"],
        "product_data": {"name": line["name"]},
        "recurring": {"interval": line["interval"]} if line["interval"] else None,
    }
    return {"price_data": price, "quantity": line["quantity"]}
