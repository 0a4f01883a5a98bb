"""From a staged checkout to a page where people pay.

Postgres stages it, the customer is made, the session is made, Postgres opens it. Whatever dies in
between, the same request again goes on where the last one stopped: every step has a committed row
behind it and repeats to the same customer, the same session, the same order.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
from stripe.params.checkout import SessionCreateParams

from edge import queries
from edge.billing.stripe_api import Stripe, StripeRefusedError, StripeUnavailableError
from edge.database import Caller
from edge.errors import EdgeError


class Customer(msgspec.Struct, frozen=True):
    """Whoever pays; the e-mail is the one of the moment when the row was made."""

    id: str
    stripe_id: str | None
    email: str | None


class Line(msgspec.Struct, frozen=True):
    """What is bought, as the order remembers it; `unit_amount` in minor units."""

    name: str
    unit_amount: int
    currency: str
    quantity: int
    interval: Literal["month", "year"] | None


class Checkout(msgspec.Struct, frozen=True):
    """What `edge.start_checkout` and its siblings answer."""

    checkout_id: str
    kind: Literal["payment", "subscription"]
    status: Literal["staged", "open", "processing", "complete", "failed", "expired"]
    order_id: str | None
    plan: str | None
    url: str | None
    customer: Customer
    lines: list[Line]
    success_url: str
    cancel_url: str


async def open_checkout(service: Caller, stripe: Stripe, checkout: Checkout) -> str:
    """The URL of the pay page.

    Raises `provider_unavailable` when Stripe does not answer, `validation_failed` when it refuses for
    good, both with the order, and `invalid_state` when the checkout is over meanwhile.
    """
    if checkout.url:
        return checkout.url
    known = {"order_id": checkout.order_id} if checkout.order_id else {}
    if checkout.status != "staged":
        raise _over(known)
    try:
        customer = await bind_customer(service, stripe, checkout.customer)
        session = await stripe.create_checkout_session(
            checkout.checkout_id, session_params(checkout, customer)
        )
    except StripeRefusedError as refused:
        await _fail(service, checkout, str(refused))
        hint = "The payment provider does not accept this purchase."
        raise EdgeError("validation_failed", hint=hint, members=known) from refused
    except StripeUnavailableError as error:
        if error.stuck:
            await _fail(service, checkout, "Stripe remembers a fault of its own for this checkout.")
        hint = "Send the same request again: it goes on where this one stopped."
        raise EdgeError("provider_unavailable", hint=hint, members=known) from error.__cause__
    opened = await service.call(
        queries.OPEN_CHECKOUT, {"checkout_id": checkout.checkout_id, "session": json.dumps(session)}
    )
    if not opened["url"]:
        raise _over(known)
    return str(opened["url"])


async def bind_customer(service: Caller, stripe: Stripe, customer: Customer) -> str:
    """Their id at Stripe, which is made now unless it was before."""
    if customer.stripe_id:
        return customer.stripe_id
    made = await stripe.create_customer(customer.id, customer.email)
    return str(
        await service.call(queries.BIND_STRIPE_CUSTOMER, {"customer_id": customer.id, "stripe_id": made})
    )


def session_params(checkout: Checkout, customer: str) -> SessionCreateParams:
    """What Stripe is asked for; it follows from committed rows alone, or the key would not fit again."""
    marks = {"checkout_id": checkout.checkout_id}
    if checkout.order_id:
        marks["order_id"] = checkout.order_id
    params: SessionCreateParams = {
        "mode": checkout.kind,
        "customer": customer,
        "client_reference_id": checkout.order_id or checkout.checkout_id,
        "line_items": [_line_item(line) for line in checkout.lines],
        "metadata": marks,
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
    }
    if checkout.kind == "payment":
        params["payment_intent_data"] = {"metadata": marks}
    else:
        params["subscription_data"] = {
            "metadata": {
                "checkout_id": checkout.checkout_id,
                "customer_id": checkout.customer.id,
                "plan": checkout.plan or "",
            }
        }
    return params


def _line_item(line: Line) -> Any:
    price: dict[str, Any] = {
        "currency": line.currency.lower(),
        "unit_amount": line.unit_amount,
        "product_data": {"name": line.name},
    }
    if line.interval:
        price["recurring"] = {"interval": line.interval}
    return {"price_data": price, "quantity": line.quantity}


def _over(known: dict[str, str]) -> EdgeError:
    return EdgeError("invalid_state", hint="This checkout is over. Start another one.", members=known)


async def _fail(service: Caller, checkout: Checkout, reason: str) -> None:
    await service.call(queries.FAIL_CHECKOUT, {"checkout_id": checkout.checkout_id, "reason": reason})
