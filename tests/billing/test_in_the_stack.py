"""A shop as its people meet it: app, pay page, mailbox, and a DBA's commands, all of `make up`."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from stripe import StripeClient

from scripts.stack.settings import ROOT
from supabase import Client, create_client

Rows = list[dict[str, Any]]


@dataclass
class Customer:
    """Somebody with the app open."""

    stack: dict[str, str]
    supabase: Client
    token: str
    email: str

    def post(self, route: str, body: Any = None) -> dict[str, Any]:
        """Ask the edge; what it answers must be a success."""
        answer = httpx.post(
            f"{self.stack['EDGE_URL']}/v1/{route}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pay(self, url: str, method: str = "succeed") -> int:
        """Press a button of the pay page; returns the HTTP status."""
        assert httpx.get(url).status_code == 200
        return httpx.post(url, data={"method": method}).status_code

    def sees(self, table: str, columns: str = "*") -> Rows:
        rows: Any = self.supabase.table(table).select(columns).execute().data
        found: Rows = rows
        return found


@pytest.fixture
def customer(stack: dict[str, str]) -> Customer:
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    supabase = create_client(stack["SUPABASE_URL"], stack["SUPABASE_ANON_KEY"])
    session = supabase.auth.sign_up({"email": email, "password": "correct-horse-1"}).session
    assert session is not None
    return Customer(stack, supabase, session.access_token, email)


@pytest.fixture
def owner(stack: dict[str, str]) -> Client:
    """Ada of the demo accounts, a super admin."""
    supabase = create_client(stack["SUPABASE_URL"], stack["SUPABASE_ANON_KEY"])
    supabase.auth.sign_in_with_password({"email": "ada@example.com", "password": "groundwork1"})
    return supabase


@pytest.fixture
def price(stack: dict[str, str]) -> str:
    (row,) = as_dba(
        stack,
        "with made as (insert into products (name) values ('Lamp') returning id)"
        " insert into prices (product_id, currency, unit_amount) select id, 'USD', 2500 from made"
        " returning id::text",
    )
    return str(row["id"])


@pytest.fixture
def stripe(stack: dict[str, str]) -> StripeClient:
    """The dashboard, so to speak."""
    return StripeClient(stack["STRIPE_SECRET_KEY"], base_addresses={"api": stack["STRIPE_API_BASE"]})


@pytest.fixture
def silence(stack: dict[str, str]) -> Iterator[Callable[[], None]]:
    """From its call on no webhook is delivered; afterwards all that was held is."""
    base = stack["STRIPE_API_BASE"]

    def hold(held: bool = True) -> None:
        httpx.put(f"{base}/_sim/webhook", json={"hold": held}).raise_for_status()

    yield hold
    hold(False)


def as_dba(stack: dict[str, str], query: str, *parameters: object) -> Rows:
    with psycopg.connect(stack["DATABASE_URL"], row_factory=dict_row) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def eventually(look: Callable[[], Any], wanted: Any) -> None:
    """Events and jobs take a moment."""
    deadline = time.monotonic() + 30
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.1)


def command(stack: dict[str, str], *words: str) -> str:
    """A command of a DBA, which must go well."""
    done = subprocess.run(
        [ROOT / words[0], *words[1:]], env=os.environ | stack, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mails(stack: dict[str, str], to: str) -> set[str]:
    """Subjects of what arrived at an address."""
    found = httpx.get(f"{stack['MAIL_URL']}/api/email").json()
    return {mail["subject"] for mail in found if mail["to"][0]["address"] == to}


def money(stack: dict[str, str], customer: Customer) -> int:
    """What a customer paid, net, re-added from the raw entries of the ledger."""
    (row,) = as_dba(
        stack,
        "select coalesce(-sum(e.amount), 0)::bigint as paid from ledger.entries as e"
        " inner join ledger.accounts as a on e.account_id = a.id"
        " inner join billing.customers as c on a.owner_id = c.id::text"
        " inner join profiles as p on c.user_id = p.id where p.email = %s",
        customer.email,
    )
    return int(row["paid"])


def test_a_purchase_an_upgrade_and_a_refund(customer: Customer, owner: Client, price: str) -> None:
    stack = customer.stack
    ordered = customer.post("checkout", {"items": [{"price_id": price, "quantity": 2}]})
    assert customer.pay(ordered["url"], "decline") == 402
    eventually(lambda: customer.sees("orders", "status"), [{"status": "failed"}])
    again = customer.post(f"orders/{ordered['order_id']}/retry")
    assert customer.pay(again["url"]) == 303
    eventually(lambda: customer.sees("orders", "status, total"), [{"status": "paid", "total": 5000}])
    assert customer.sees("order_items", "name, quantity, amount") == [
        {"name": "Lamp", "quantity": 2, "amount": 5000}
    ]

    assert customer.pay(customer.post("subscription", {"plan": "pro"})["url"]) == 303
    eventually(lambda: customer.sees("profiles", "subscription_tier"), [{"subscription_tier": "pro"}])
    eventually(lambda: money(stack, customer), 6900)
    assert customer.post("billing-portal")["url"].startswith(stack["STRIPE_API_BASE"])

    (payment,) = [row["id"] for row in customer.sees("payments", "id, order_id") if row["order_id"]]
    refund: Any = owner.rpc("admin_refund_payment", {"payment_id": payment, "amount": 1500}).execute().data
    assert refund["status"] == "requested"
    eventually(lambda: customer.sees("refunds", "status"), [{"status": "succeeded"}])
    eventually(lambda: customer.sees("orders", "status"), [{"status": "partially_refunded"}])
    assert money(stack, customer) == 5400
    eventually(lambda: len(mails(stack, customer.email)), 4)


def test_what_no_webhook_told_is_found_by_reconciliation(
    customer: Customer, price: str, stripe: StripeClient, silence: Callable[[], None]
) -> None:
    stack = customer.stack
    assert customer.pay(customer.post("subscription", {"plan": "pro"})["url"]) == 303
    eventually(lambda: customer.sees("profiles", "subscription_tier"), [{"subscription_tier": "pro"}])
    eventually(lambda: money(stack, customer), 1900)

    silence()
    ordered = customer.post("checkout", {"items": [{"price_id": price, "quantity": 1}]})
    assert customer.pay(ordered["url"]) == 303
    (session,) = as_dba(
        stack,
        "select c.stripe_id, n.stripe_id as subscription from billing.checkouts as c"
        " inner join subscriptions as s on s.customer_id = c.customer_id"
        " inner join billing.stripe_subscriptions as n on n.subscription_id = s.id where c.order_id = %s",
        ordered["order_id"],
    )
    intent = stripe.v1.checkout.sessions.retrieve(session["stripe_id"]).payment_intent
    assert isinstance(intent, str)
    stripe.v1.refunds.create({"payment_intent": intent, "amount": 700})
    stripe.v1.subscriptions.cancel(session["subscription"])
    assert customer.sees("orders", "status") == [{"status": "pending"}]

    assert "healed" in command(stack, "scripts/reconcile", "run", "--wait", "60")
    expected = [{"status": "partially_refunded", "amount_refunded": 700}]
    eventually(lambda: customer.sees("orders", "status, amount_refunded"), expected)
    eventually(lambda: customer.sees("profiles", "subscription_tier"), [{"subscription_tier": "free"}])
    assert money(stack, customer) == 1900 + 2500 - 700
    assert command(stack, "scripts/reconcile", "list") == "none\n"


def test_replaying_what_was_applied_changes_nothing(customer: Customer, price: str) -> None:
    stack = customer.stack
    ordered = customer.post("checkout", {"items": [{"price_id": price, "quantity": 1}]})
    assert customer.pay(ordered["url"]) == 303
    eventually(lambda: money(stack, customer), 2500)
    events = as_dba(
        stack,
        "select id from billing.stripe_events"
        " where payload::text like '%%' || %s || '%%' and status = 'applied'",
        ordered["order_id"],
    )
    assert "applied" in command(stack, "scripts/replay_stripe_event", *(row["id"] for row in events))
    assert customer.sees("orders", "status") == [{"status": "paid"}]
    assert money(stack, customer) == 2500
