"""The simulator as a part of the local stack."""

from __future__ import annotations

import uuid

import httpx
import stripe

from tests.stripe_sim.process import eventually
from tests.stripe_sim.shop import SUCCESS


def test_the_sdk_works_with_the_variables_of_the_stack(stack: dict[str, str]) -> None:
    client = stripe.StripeClient(stack["STRIPE_SECRET_KEY"], base_addresses={"api": stack["STRIPE_API_BASE"]})
    mug = client.v1.prices.create({"currency": "usd", "unit_amount": 500, "product_data": {"name": "Mug"}})
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "success_url": SUCCESS, "line_items": [{"price": mug.id, "quantity": 1}]}
    )
    assert session.url is not None
    assert session.url.startswith(stack["STRIPE_API_BASE"])
    assert "Mug" in httpx.get(session.url).text


def test_deliveries_go_to_the_edge(stack: dict[str, str]) -> None:
    webhook = httpx.get(f"{stack['STRIPE_API_BASE']}/_sim/state").json()["webhook"]
    assert webhook["url"] == f"{stack['EDGE_URL']}/webhooks/stripe"
    assert webhook["secrets"] == [stack["STRIPE_WEBHOOK_SECRET"]]


def test_what_is_bought_in_the_stack_is_paid_there(stack: dict[str, str]) -> None:
    """Every part as `make up` starts it: Auth, edge, Stripe's stand-in, its deliveries, Data API."""
    key = {"apikey": stack["SUPABASE_ANON_KEY"]}
    email = f"buyer-{uuid.uuid4().hex[:8]}@example.com"
    signed_up = httpx.post(
        f"{stack['SUPABASE_URL']}/auth/v1/signup",
        headers=key,
        json={"email": email, "password": "correct-horse-1"},
    ).json()
    person = {"Authorization": f"Bearer {signed_up['access_token']}"}
    page = httpx.post(
        f"{stack['EDGE_URL']}/v1/subscription", headers=person, json={"plan": "pro"}, timeout=20
    )
    assert page.status_code == 200, page.text
    httpx.post(page.json()["url"], data={"method": "succeed", "email": email}, timeout=20)

    def tier() -> str:
        profiles = httpx.get(
            f"{stack['SUPABASE_URL']}/rest/v1/profiles?select=subscription_tier&email=eq.{email}",
            headers=key | person,
        ).json()
        return str(profiles[0]["subscription_tier"])

    eventually(lambda: tier() == "pro")
    portal = httpx.post(f"{stack['EDGE_URL']}/v1/billing-portal", headers=person, timeout=20)
    assert portal.json()["url"].startswith(stack["STRIPE_API_BASE"])
