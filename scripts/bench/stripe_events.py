"""A shop in bulk, and what Stripe sends about it: orders, customers and objects go by the same numbers.

An order of number 7 is of the customer cus_7, paid in the session cs_7 by the intent pi_7. Times are the
caller's; shapes are those of the current API, with the members that a delivery really has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PRODUCT = "00000000-0000-4000-8000-0000000a0001"
PRICE = "00000000-0000-4000-8000-0000000a0002"
OWNER = "00000000-0000-4000-8000-0000000a0003"
TOTAL = 1200
"""Of each order, in cents."""
CREATED = 1_790_000_000

SHOP = f"""
    insert into public.profiles (id, email, role) values ('{OWNER}', 'owner@example.com', 'super_admin');
    insert into public.products (id, name) values ('{PRODUCT}', 'Something');
    insert into public.prices (id, product_id, currency, unit_amount)
    values ('{PRICE}', '{PRODUCT}', 'USD', {TOTAL});
    create function public.nth(number bigint) returns uuid language sql immutable
    return ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid;
"""  # noqa: S608
"""What has to be there first; nth(7) is the id of whatever has the number 7."""

ORDERS = f"""
    insert into public.profiles (id, email)
    select public.nth(g), 'p' || g || '@example.com' from generate_series({{first}}, {{last}}) as g;
    insert into billing.customers (id, user_id, email, stripe_id)
    select public.nth(g), public.nth(g), 'p' || g || '@example.com', 'cus_' || g
    from generate_series({{first}}, {{last}}) as g;
    insert into public.orders (id, customer_id, user_id, currency, total, customer_email)
    select public.nth(g), public.nth(g), public.nth(g), 'USD', {TOTAL}, 'p' || g || '@example.com'
    from generate_series({{first}}, {{last}}) as g;
    insert into public.order_items (
        order_id, line, user_id, product_id, price_id, name, unit_amount, quantity
    )
    select public.nth(g), 1, public.nth(g), '{PRODUCT}', '{PRICE}', 'Something', {TOTAL}, 1
    from generate_series({{first}}, {{last}}) as g;
    insert into billing.checkouts (
        id, customer_id, kind, order_id, success_url, cancel_url, stripe_id, url, expires_at
    )
    select
        public.nth(g), public.nth(g), 'payment', public.nth(g), 'https://app.example.com',
        'https://app.example.com', 'cs_' || g, 'https://checkout.stripe.com/c/pay/cs_' || g,
        now() + interval '1 day'
    from generate_series({{first}}, {{last}}) as g;
"""  # noqa: S608
"""Open checkouts of these numbers, each for an order of its own by a person of its own."""


def nth(number: int) -> str:
    """The id of the person, customer, order and checkout of that number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def event(id_: str, type_: str, object_: Mapping[str, Any], created: int = CREATED) -> str:
    """The body of a delivery."""
    return json.dumps(
        {
            "id": id_,
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": created,
            "data": {"object": object_},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
    )


def session(number: int) -> dict[str, Any]:
    """The checkout session, completed and paid: the two kilobytes that Stripe makes of it."""
    nothing = (
        "after_expiration allow_promotion_codes billing_address_collection client_secret consent"
        " consent_collection currency_conversion customer_creation customer_email discounts invoice locale"
        " payment_link payment_method_configuration_details recovered_from setup_intent shipping_cost"
        " shipping_details submit_type subscription ui_mode url"
    )
    return dict.fromkeys(nothing.split()) | {
        "id": f"cs_{number}",
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": TOTAL,
        "amount_total": TOTAL,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": f"https://app.example.com/orders/{nth(number)}?checkout=canceled",
        "client_reference_id": nth(number),
        "collected_information": {
            "business_name": None, "individual_name": None, "shipping_details": None
        },
        "created": CREATED,
        "currency": "usd",
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
        "customer": f"cus_{number}",
        "customer_details": {
            "address": {"city": None, "country": "DE", "line1": None, "line2": None, "postal_code": None},
            "email": f"p{number}@example.com",
            "name": f"Person {number}",
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "expires_at": CREATED + 86_400,
        "invoice_creation": {"enabled": False, "invoice_data": {"footer": None, "metadata": {}}},
        "livemode": False,
        "metadata": _ours(number),
        "mode": "payment",
        "payment_intent": f"pi_{number}",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": {"payment_method_remove": None, "payment_method_save": None},
        "shipping_options": [],
        "status": "complete",
        "success_url": f"https://app.example.com/orders/{nth(number)}?checkout=success",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }  # fmt: skip


def intent(number: int, *, declined: bool = False) -> dict[str, Any]:
    """The payment intent of the session: paid, or with a first card that was declined."""
    return {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "amount": TOTAL,
        "amount_received": 0 if declined else TOTAL,
        "currency": "usd",
        "customer": f"cus_{number}",
        "last_payment_error": {"code": "card_declined", "message": "Your card was declined."}
        if declined
        else None,
        "latest_charge": f"ch_{number}_declined" if declined else f"ch_{number}",
        "metadata": _ours(number),
        "status": "requires_payment_method" if declined else "succeeded",
    }


def charge(number: int, refunded: int) -> dict[str, Any]:
    """The charge of the intent, of which so much has gone back."""
    return {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": TOTAL,
        "amount_captured": TOTAL,
        "amount_refunded": refunded,
        "captured": True,
        "currency": "usd",
        "customer": f"cus_{number}",
        "metadata": _ours(number),
        "paid": True,
        "payment_intent": f"pi_{number}",
        "status": "succeeded",
    }


def refund(id_: str, number: int, amount: int) -> dict[str, Any]:
    """A refund of some of it."""
    return {
        "id": id_,
        "object": "refund",
        "amount": amount,
        "charge": f"ch_{number}",
        "currency": "usd",
        "metadata": {},
        "payment_intent": f"pi_{number}",
        "reason": None,
        "status": "succeeded",
    }


def subscription(number: int, status: str) -> dict[str, Any]:
    """The subscription of the customer."""
    return {
        "id": f"sub_{number}",
        "object": "subscription",
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": CREATED + 2 if status == "canceled" else None,
        "customer": f"cus_{number}",
        "ended_at": CREATED + 2 if status == "canceled" else None,
        "items": {
            "object": "list",
            "data": [{"current_period_start": CREATED, "current_period_end": CREATED + 2_592_000}],
        },
        "metadata": {"customer_id": nth(number), "plan": "pro"},
        "status": status,
        "trial_end": None,
    }


def _ours(number: int) -> dict[str, str]:
    return {"checkout_id": nth(number), "order_id": nth(number)}
