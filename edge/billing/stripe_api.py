"""Stripe through its own SDK: every call bounded in time, every failure one of three kinds.

What creates something has the id of a committed row as its idempotency key, and parameters that
follow from that row alone: so it can be repeated after any crash, and Stripe does it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import stripe
import structlog
from stripe import StripeClient
from stripe.params import CustomerCreateParams
from stripe.params.checkout import SessionCreateParams

from edge.errors import EdgeError
from edge.settings import Secret

CALL_TIMEOUT: Final = 20.0
"""Seconds for a call with all its repetitions."""
ATTEMPT_TIMEOUT: Final = 8.0
"""Seconds after which an attempt counts as lost and is repeated."""
RETRIES: Final = 2
PAGE: Final = 100

Document = dict[str, Any]
"""An object as Stripe answered it."""

_log = structlog.get_logger("edge.stripe")


class StripeUnavailableError(EdgeError):
    """Nobody knows whether it was done; asking again with the same key finds out."""

    def __init__(self, *, stuck: str | None = None) -> None:
        super().__init__("provider_unavailable")
        self.stuck = stuck
        """The request whose fault Stripe remembers for this key: for a day, repeating is in vain."""


class StripeRefusedError(Exception):
    """Stripe will not do it, however often it is asked."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing
        """There is no such object."""


class KeyTakenError(StripeRefusedError):
    """The key belongs to a request with other parameters, whose fate is unknown here."""


class _Answered(Protocol):
    """What every object of the SDK has."""

    @property
    def last_response(self) -> Any: ...


class Stripe:
    """The calls that billing makes. Raises `StripeUnavailableError` and `StripeRefusedError`."""

    def __init__(self, secret_key: Secret, api_base: str) -> None:
        self._http = stripe.HTTPXClient(timeout=ATTEMPT_TIMEOUT)
        client = StripeClient(
            secret_key.reveal(),
            base_addresses={"api": api_base},
            http_client=self._http,
            max_network_retries=RETRIES,
        )
        self._v1 = v1 = client.v1
        self._retrievals: Mapping[str, Callable[[str], Awaitable[_Answered]]] = {
            "charge": v1.charges.retrieve_async,
            "checkout.session": v1.checkout.sessions.retrieve_async,
            "dispute": v1.disputes.retrieve_async,
            "invoice": v1.invoices.retrieve_async,
            "payment_intent": v1.payment_intents.retrieve_async,
            "subscription": v1.subscriptions.retrieve_async,
        }
        self._lists: Mapping[str, Callable[[Any], Awaitable[_Answered]]] = {
            "charge": v1.charges.list_async,
            "checkout.session": v1.checkout.sessions.list_async,
            "customer": v1.customers.list_async,
            "dispute": v1.disputes.list_async,
            "event": v1.events.list_async,
            "invoice": v1.invoices.list_async,
            "invoice_payment": v1.invoice_payments.list_async,
            "refund": v1.refunds.list_async,
            "subscription": v1.subscriptions.list_async,
        }

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections when the context ends."""
        try:
            yield
        finally:
            await self._http.close_async()  # type: ignore[no-untyped-call]

    async def create_customer(self, customer_id: str, email: str | None) -> str:
        """The id of the one customer that this row has at Stripe.

        A fault that Stripe remembers must not keep somebody from paying for a day: the one that is
        marked is taken, or made under another key.
        """
        params: CustomerCreateParams = {"metadata": {"customer_id": customer_id}}
        if email:
            params["email"] = email
        key = f"customer:{customer_id}"
        try:
            customer = await self._create_customer(params, key)
        except (KeyTakenError, StripeUnavailableError) as error:
            stuck = error.stuck if isinstance(error, StripeUnavailableError) else "other parameters"
            if stuck is None:
                raise
            known = await self.all("customer", **({"email": email} if email else {}))
            marked = [each for each in known if each["metadata"].get("customer_id") == customer_id]
            customer = marked[0] if marked else await self._create_customer(params, f"{key}:after:{stuck}")
        return str(customer["id"])

    async def _create_customer(self, params: CustomerCreateParams, key: str) -> Document:
        options: stripe.RequestOptions = {"idempotency_key": key}
        return await _answer(self._v1.customers.create_async(params, options))

    async def create_checkout_session(self, checkout_id: str, params: SessionCreateParams) -> Document:
        """The one session of this checkout."""
        options: stripe.RequestOptions = {"idempotency_key": f"checkout:{checkout_id}"}
        return await _answer(self._v1.checkout.sessions.create_async(params, options))

    async def create_portal_session(self, customer: str, return_url: str) -> str:
        """A URL of the portal, for a few minutes."""
        session = await _answer(
            self._v1.billing_portal.sessions.create_async({"customer": customer, "return_url": return_url})
        )
        return str(session["url"])

    async def create_refund(
        self, refund_id: str, payment_intent: str, amount: int, reason: str | None
    ) -> Document:
        """The one refund of this row; `amount` in minor units."""
        params: Any = {
            "payment_intent": payment_intent,
            "amount": amount,
            "metadata": {"refund_id": refund_id},
        }
        if reason:
            params["reason"] = reason
        options: stripe.RequestOptions = {"idempotency_key": f"refund:{refund_id}"}
        return await _answer(self._v1.refunds.create_async(params, options))

    async def cancel_subscription(self, id_: str) -> Document:
        """End it now."""
        return await _answer(self._v1.subscriptions.cancel_async(id_))

    async def expire_checkout_session(self, id_: str) -> Document:
        """Let nobody pay it any more; refused unless it is open."""
        return await _answer(self._v1.checkout.sessions.expire_async(id_))

    async def retrieve(self, kind: str, id_: str) -> Document | None:
        """The object as it is now, or None if Stripe has none of this id."""
        try:
            return await _answer(self._retrievals[kind](id_))
        except StripeRefusedError as refused:
            if refused.missing:
                return None
            raise

    async def page(self, kind: str, **params: Any) -> tuple[list[Document], bool]:
        """One page, newest first, and whether there are more."""
        listed = await _answer(self._lists[kind]({"limit": PAGE, **params}))
        return listed["data"], bool(listed["has_more"])

    async def all(self, kind: str, **params: Any) -> list[Document]:
        """All objects that fit, newest first."""
        found, more = await self.page(kind, **params)
        while more:
            page, more = await self.page(kind, starting_after=found[-1]["id"], **params)
            found += page
        return found


async def _answer(call: Awaitable[_Answered]) -> Document:
    """What Stripe said, with its failures sorted."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            answered = await call
    except stripe.IdempotencyError as error:
        _log.error("idempotency_key_taken", exc_info=error)
        raise KeyTakenError(_reason(error)) from error
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise StripeRefusedError(_reason(error), missing=error.http_status == 404) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        _log.error("not_allowed", exc_info=error)
        raise StripeUnavailableError from error
    except stripe.StripeError as error:
        raise StripeUnavailableError(stuck=_remembered(error.headers or {})) from error
    except TimeoutError as error:
        raise StripeUnavailableError from error
    document: Document = answered.last_response.data
    return document


def _remembered(headers: Mapping[str, str]) -> str | None:
    if headers.get("idempotent-replayed") != "true":
        return None
    return headers.get("original-request") or "a fault"


def _reason(error: stripe.StripeError) -> str:
    """For our records: Stripe's words, on one line."""
    return " ".join(str(error.user_message or type(error).__name__).split())[:500]
