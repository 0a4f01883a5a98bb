"""The simulator as a part of the local stack."""

from __future__ import annotations

import httpx
import stripe

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
