"""A shop with customers: what the edge asks on their behalf, and what Stripe tells of them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, LiteralString

from tests.acting import Person, Row, World
from tests.connections import connected

URLS = ("https://shop.example/orders/{ORDER_ID}", "https://shop.example/canceled")
START_CHECKOUT: LiteralString = "select edge.start_checkout(%s, %s, %s, %s) as checkout"
START_SUBSCRIPTION: LiteralString = "select edge.start_subscription(%s, %s, %s, %s) as checkout"
_NOW = 1_790_000_000


@dataclass(frozen=True)
class Purchase:
    """A checkout that is open at Stripe."""

    checkout: Row
    customer: str
    amount: int
    currency: str
    session: str
    intent: str

    @property
    def order_id(self) -> uuid.UUID:
        return uuid.UUID(self.checkout["order_id"])


@dataclass(frozen=True)
class Shop:
    """The billing of one world."""

    world: World
    service_url: str

    def ask(self, query: LiteralString, *parameters: object) -> Any:
        """A single value, asked by the edge's own login."""
        with connected(self.service_url) as connection:
            row = connection.execute(query, parameters).fetchone()
        assert row
        (value,) = row.values()
        return value

    def dba(self, query: LiteralString, *parameters: object) -> Row:
        """The only row, as whoever runs migrations."""
        (row,) = self.world.as_dba(query, *parameters)
        return row

    def price(
        self,
        amount: int = 2000,
        currency: str = "USD",
        recurring: str | None = None,
        name: str = "Gear",
        *,
        archived: str = "",
    ) -> uuid.UUID:
        """Something to buy; archived: the product, or the price of it."""
        id_: uuid.UUID = self.dba(
            "with d as (insert into public.products (name, archived_at)"
            " values (%s, case %s when 'product' then now() end) returning id)"
            " insert into public.prices (product_id, currency, unit_amount, recurring, archived_at)"
            " select id, %s, %s, %s, case %s when 'price' then now() end from d returning id",
            name, archived, currency, amount, recurring, archived,
        )["id"]  # fmt: skip
        return id_

    def start(self, person: Person, items: object, key: str | None = None) -> Row:
        """What the edge gets when it places an order for this person."""
        checkout: Row = person.row(START_CHECKOUT, json.dumps(items), *URLS, key)["checkout"]
        return checkout

    def start_subscription(self, person: Person, organization: uuid.UUID | None = None) -> Row:
        checkout: Row = person.row(START_SUBSCRIPTION, "pro", organization, *URLS)["checkout"]
        return checkout

    def open(self, checkout: Row) -> Purchase:
        """Stripe opens the page."""
        number = uuid.uuid4().hex[:12]
        customer: str = self.ask(
            "select edge.bind_stripe_customer(%s, %s)", checkout["customer"]["id"], f"cus_{number}"
        )
        (first, *_) = lines = checkout["lines"]
        purchase = Purchase(
            checkout,
            customer,
            sum(line["unit_amount"] * line["quantity"] for line in lines),
            first["currency"].lower(),
            f"cs_{number}",
            f"pi_{number}",
        )
        session = self.session(purchase, status="open")
        self.ask("select edge.open_checkout(%s, %s)", checkout["checkout_id"], json.dumps(session))
        return purchase

    def order(self, person: Person, amount: int = 2000, **price: Any) -> Purchase:
        """An order of one thing, whose page is open."""
        items = [{"price_id": str(self.price(amount, **price)), "quantity": 1}]
        return self.open(self.start(person, items))

    def session(self, purchase: Purchase, status: str = "complete", **more: Any) -> Row:
        paid = status == "complete"
        return {
            "object": "checkout.session", "id": purchase.session, "status": status, "mode": "payment",
            "payment_status": "paid" if paid else "unpaid", "customer": purchase.customer,
            "payment_intent": purchase.intent if paid else None, "currency": purchase.currency,
            "amount_total": purchase.amount, "url": None if paid else f"https://pay.example/{purchase.session}",
            "expires_at": _NOW + 86400, "metadata": {"checkout_id": purchase.checkout["checkout_id"]},
        } | more  # fmt: skip

    def event(self, type_: str, object_: Row, created: int = _NOW) -> Row:
        return {
            "object": "event",
            "id": f"evt_{uuid.uuid4().hex}",
            "type": type_,
            "created": created,
            "data": {"object": object_},
        }

    def receive(self, event: Row) -> str:
        """Deliver an event as the webhook does."""
        outcome: str = self.ask("select edge.receive_stripe_event(%s)", json.dumps(event))
        return outcome

    def tell(self, type_: str, object_: Row, created: int = _NOW) -> str:
        return self.receive(self.event(type_, object_, created))

    def apply(self, type_: str, object_: Row, created: int = _NOW) -> None:
        """Deliver what must be applied at once."""
        event = self.event(type_, object_, created)
        outcome = self.receive(event)
        assert outcome == "applied", self.dba(
            "select * from billing.stripe_events where id = %s", event["id"]
        )

    def paid(self, person: Person, amount: int = 2000, **price: Any) -> Purchase:
        """An order that was paid."""
        purchase = self.order(person, amount, **price)
        self.apply("checkout.session.completed", self.session(purchase))
        return purchase

    def payment(self, purchase: Purchase) -> Row:
        return self.dba("select * from public.payments where order_id = %s", purchase.order_id)

    def decline(self, purchase: Purchase, reason: str = "Your card was declined.") -> Row:
        """The event of a declined card."""
        return self.event(
            "payment_intent.payment_failed",
            {
                "object": "payment_intent", "id": purchase.intent, "status": "requires_payment_method",
                "customer": purchase.customer, "currency": purchase.currency, "amount": purchase.amount,
                "last_payment_error": {"code": "card_declined", "message": reason},
                "metadata": {"checkout_id": purchase.checkout["checkout_id"]},
            },
        )  # fmt: skip

    def refund(self, purchase: Purchase, amount: int, status: str = "succeeded", **more: Any) -> Row:
        return {
            "object": "refund", "id": f"re_{uuid.uuid4().hex[:12]}", "payment_intent": purchase.intent,
            "charge": None, "amount": amount, "currency": purchase.currency, "status": status,
            "metadata": {},
        } | more  # fmt: skip

    def dispute(self, purchase: Purchase, status: str = "needs_response", **more: Any) -> Row:
        return {
            "object": "dispute", "id": f"dp_{uuid.uuid4().hex[:12]}", "payment_intent": purchase.intent,
            "charge": None, "amount": purchase.amount, "currency": purchase.currency, "status": status,
            "reason": "fraudulent", "evidence_details": {"due_by": _NOW + 86400},
        } | more  # fmt: skip

    def subscription(self, purchase: Purchase, status: str = "active", **more: Any) -> Row:
        return {
            "object": "subscription", "id": f"sub_{purchase.session}", "status": status,
            "customer": purchase.customer, "cancel_at_period_end": False,
            "items": {"data": [{"current_period_start": _NOW, "current_period_end": _NOW + 2_592_000}]},
            "ended_at": _NOW + 1 if status == "canceled" else None,
            "metadata": {"plan": "pro", "checkout_id": purchase.checkout["checkout_id"]},
        } | more  # fmt: skip

    def subscribed(self, person: Person, organization: uuid.UUID | None = None) -> Purchase:
        """A subscription that Stripe has told of."""
        purchase = self.open(self.start_subscription(person, organization))
        self.apply("customer.subscription.created", self.subscription(purchase))
        completed = self.session(purchase, mode="subscription", subscription=f"sub_{purchase.session}")
        self.apply("checkout.session.completed", completed | {"payment_intent": None})
        return purchase

    def invoice(self, purchase: Purchase, status: str = "paid", attempts: int = 1, **more: Any) -> Row:
        return {
            "object": "invoice", "id": f"in_{purchase.session}", "status": status, "currency": "usd",
            "customer": purchase.customer, "amount_due": purchase.amount, "attempt_count": attempts,
            "amount_paid": purchase.amount if status == "paid" else 0, "billing_reason": "subscription_cycle",
            "parent": {"subscription_details": {"subscription": f"sub_{purchase.session}"}},
        } | more  # fmt: skip

    def assert_sound(self) -> None:
        """The ledger adds up, each payment is in it once, and whoever paid is who has the tier."""
        assert self.world.as_dba("select * from ledger.check()") == []
        assert self.world.as_dba(POSTED_OTHERWISE) == []
        assert self.world.as_dba(UNPAID_TIERS) == []


POSTED_OTHERWISE: LiteralString = """
    select p.id, p.amount - p.amount_refunded as kept, -b.balance as booked
    from (
        select p.customer_id, p.currency, sum(p.amount - p.amount_refunded) as kept, min(p.id::text) as id,
            sum(p.amount) as amount, sum(p.amount_refunded) as amount_refunded,
            coalesce((
                select sum(d.amount) from public.disputes as d
                join public.payments as q on q.id = d.payment_id
                where q.customer_id = p.customer_id and d.currency = p.currency and d.status = 'lost'
            ), 0) as lost
        from public.payments as p where p.status = 'succeeded'
        group by p.customer_id, p.currency
    ) as p
    left join ledger.balances as b on b.owner_id = p.customer_id::text and b.currency = p.currency
    where -b.balance is distinct from p.kept - p.lost
"""
UNPAID_TIERS: LiteralString = """
    select id from public.profiles as p where p.subscription_tier <> billing.tier_of(p.id, null)
    union all
    select id from public.organizations as o where o.subscription_tier <> billing.tier_of(null, o.id)
"""
