"""A shop with a few prices, and what its customers do."""

from __future__ import annotations

from typing import Any

import stripe

from tests.stripe_sim.process import Sim

SUCCESS = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}"
CANCEL = "https://shop.example/cart"


class Shop:
    """Everything goes through the SDK and the hosted pages."""

    def __init__(self, sim: Sim, client: stripe.StripeClient) -> None:
        self.sim = sim
        self.v1 = client.v1

    def price(self, amount: int = 2000, interval: str | None = None, **more: Any) -> stripe.Price:
        params: Any = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Thing"}} | more
        if interval:
            params["recurring"] = {"interval": interval}
        return self.v1.prices.create(params)

    def customer(self, **params: Any) -> stripe.Customer:
        wanted: Any = {"email": "ada@example.com"} | params
        return self.v1.customers.create(wanted)

    def session(
        self, *prices: tuple[stripe.Price, int], mode: str = "payment", **params: Any
    ) -> stripe.checkout.Session:
        items = [{"price": price.id, "quantity": quantity} for price, quantity in prices]
        wanted: Any = {"mode": mode, "line_items": items, "success_url": SUCCESS, "cancel_url": CANCEL}
        return self.v1.checkout.sessions.create(wanted | params)

    def reload(self, session: stripe.checkout.Session) -> stripe.checkout.Session:
        return self.v1.checkout.sessions.retrieve(session.id)

    def purchase(self, amount: int = 2000, method: str = "succeed", **params: Any) -> stripe.checkout.Session:
        """A session that somebody paid, or tried to."""
        session = self.session((self.price(amount), 1), **params)
        self.sim.press(session.url, method=method, email="ada@example.com")
        return self.reload(session)

    def charge_of(self, session: stripe.checkout.Session) -> stripe.Charge:
        assert isinstance(session.payment_intent, str)
        intent = self.v1.payment_intents.retrieve(session.payment_intent, {"expand": ["latest_charge"]})
        assert isinstance(intent.latest_charge, stripe.Charge)
        return intent.latest_charge

    def subscribe(
        self, method: str = "succeed", *, amount: int = 1900, **data: Any
    ) -> tuple[stripe.checkout.Session, stripe.Subscription]:
        """A subscription bought at the pay page."""
        params = {"subscription_data": data} if data else {}
        session = self.session((self.price(amount, "month"), 1), mode="subscription", **params)
        self.sim.press(session.url, method=method, email="ada@example.com")
        session = self.reload(session)
        assert isinstance(session.subscription, str)
        return session, self.subscription(session.subscription)

    def subscription(self, id_: str) -> stripe.Subscription:
        return self.v1.subscriptions.retrieve(id_)
