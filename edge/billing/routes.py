"""Below /v1: order, pay again, subscribe, manage. The answer is where to send the browser."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import structlog
from litestar import post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath
from msgspec import Meta

from edge import queries
from edge.auth import User
from edge.billing.checkout import Checkout, Customer, bind_customer, open_checkout
from edge.billing.redirects import MAX_LENGTH, Redirects
from edge.billing.stripe_api import Stripe, StripeRefusedError
from edge.database import Database
from edge.errors import EdgeError
from edge.problems import USER_ERRORS, problem_responses

_ORDERED: Final = "/orders/{ORDER_ID}?checkout="
_SUBSCRIBED: Final = "/billing?checkout="
_MANAGED: Final = "/billing"

Redirect = Annotated[
    str, Meta(max_length=MAX_LENGTH, description="On an allowed origin, a page of SITE_URL unless given.")
]
OrderRedirect = Annotated[
    str,
    Meta(
        max_length=MAX_LENGTH,
        description="On an allowed origin; `{ORDER_ID}` becomes the order's id. SITE_URL's unless given.",
    ),
]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=10_000)]


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to buy. With the same `idempotency_key` a repetition goes on with the same order."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=100)]
    success_url: OrderRedirect | None = None
    cancel_url: OrderRedirect | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class NewSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which plan, and for which organization unless it is for the user."""

    plan: Annotated[str, Meta(min_length=1, max_length=100)]
    organization_id: UUID | None = None
    success_url: Redirect | None = None
    cancel_url: Redirect | None = None


class PortalVisit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose subscriptions: the user's, unless an organization is named."""

    organization_id: UUID | None = None
    return_url: Redirect | None = None


class OrderPage(msgspec.Struct, frozen=True):
    order_id: UUID
    url: str


class Page(msgspec.Struct, frozen=True):
    url: str


_ORDER: Final = Example(
    summary="Two of one price",
    value={
        "items": [{"price_id": "0b9f6d1e-6c1a-4a55-9a3c-6f2f6d1f0f3a", "quantity": 2}],
        "idempotency_key": "cart-17",
    },
)
_PLAN: Final = Example(summary="Pro for the user", value={"plan": "pro"})
_ERRORS: Final = problem_responses(
    *USER_ERRORS,
    "validation_failed",
    "forbidden",
    "not_found",
    "conflict",
    "invalid_state",
    "payload_too_large",
)

_log = structlog.get_logger("edge.billing")


@post(
    "/checkout",
    status_code=200,
    rate_limit="checkout",
    summary="Order and pay",
    response_description="The order, and the page where it is paid",
    responses=_ERRORS,
)
async def checkout(
    database: NamedDependency[Database],
    stripe: NamedDependency[Stripe],
    redirects: NamedDependency[Redirects],
    user: NamedDependency[User],
    data: Annotated[NewOrder, BodyKwarg(media_type="application/json", examples=[_ORDER])],
) -> OrderPage:
    """Makes an order at today's prices and the page where it is paid."""
    parameters = {
        "items": json.dumps([{"price_id": str(i.price_id), "quantity": i.quantity} for i in data.items]),
        "success_url": redirects.allowed("success_url", data.success_url, f"{_ORDERED}success"),
        "cancel_url": redirects.allowed("cancel_url", data.cancel_url, f"{_ORDERED}canceled"),
        "idempotency_key": data.idempotency_key,
    }
    caller = database.on_behalf_of(user)
    staged = _checkout(await caller.call(queries.START_CHECKOUT, parameters))
    if staged.status not in {"staged", "open"}:  # the key's first attempt is over
        staged = _checkout(await caller.call(queries.RETRY_ORDER, {"order_id": staged.order_id}))
    return _order_page(staged, await open_checkout(database.as_service(), stripe, staged))


@post(
    "/orders/{order_id:uuid}/retry",
    status_code=200,
    rate_limit="retry_order",
    summary="Pay again",
    response_description="The order, and the page where it is paid",
    responses=_ERRORS,
)
async def retry_order(
    database: NamedDependency[Database],
    stripe: NamedDependency[Stripe],
    user: NamedDependency[User],
    order_id: FromPath[UUID],
) -> OrderPage:
    """The page where an unpaid order can still be paid, or a new one after a failure."""
    answer = await database.on_behalf_of(user).call(queries.RETRY_ORDER, {"order_id": order_id})
    staged = _checkout(answer)
    return _order_page(staged, await open_checkout(database.as_service(), stripe, staged))


@post(
    "/subscription",
    status_code=200,
    rate_limit="subscription",
    summary="Subscribe",
    response_description="The page where the plan is bought",
    responses=_ERRORS,
)
async def subscribe(
    database: NamedDependency[Database],
    stripe: NamedDependency[Stripe],
    redirects: NamedDependency[Redirects],
    user: NamedDependency[User],
    data: Annotated[NewSubscription, BodyKwarg(media_type="application/json", examples=[_PLAN])],
) -> Page:
    """The page where a plan is bought; whoever has a subscription that lives gets `conflict`."""
    parameters = {
        "plan": data.plan,
        "organization_id": data.organization_id,
        "success_url": redirects.allowed("success_url", data.success_url, f"{_SUBSCRIBED}success"),
        "cancel_url": redirects.allowed("cancel_url", data.cancel_url, f"{_SUBSCRIBED}canceled"),
    }
    staged = _checkout(await database.on_behalf_of(user).call(queries.START_SUBSCRIPTION, parameters))
    return Page(await open_checkout(database.as_service(), stripe, staged))


@post(
    "/billing-portal",
    status_code=200,
    rate_limit="billing_portal",
    summary="Manage subscriptions",
    response_description="The page of the billing portal",
    responses=_ERRORS,
)
async def visit_portal(
    database: NamedDependency[Database],
    stripe: NamedDependency[Stripe],
    redirects: NamedDependency[Redirects],
    user: NamedDependency[User],
    data: Annotated[PortalVisit | None, BodyKwarg(media_type="application/json")] = None,
) -> Page:
    """The page where a subscription is canceled or resumed, and the card is changed."""
    visit = data or PortalVisit()
    return_url = redirects.allowed("return_url", visit.return_url, _MANAGED)
    answer = await database.on_behalf_of(user).call(
        queries.BILLING_CUSTOMER, {"organization_id": visit.organization_id}
    )
    try:
        customer = await bind_customer(database.as_service(), stripe, msgspec.convert(answer, Customer))
        return Page(await stripe.create_portal_session(customer, return_url))
    except StripeRefusedError as refused:
        # Nothing that the user could change: the portal is not set up, or the customer was deleted there.
        _log.error("no_portal", exc_info=refused)
        raise EdgeError("provider_unavailable") from refused


def _checkout(answer: Any) -> Checkout:
    return msgspec.convert(answer, Checkout)


def _order_page(checkout: Checkout, url: str) -> OrderPage:
    return OrderPage(UUID(checkout.order_id), url)


BILLING_ROUTES: Final = (checkout, retry_order, subscribe, visit_portal)
