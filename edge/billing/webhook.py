"""POST /webhooks/stripe: what Stripe says is verified, handed to Postgres as it is, and acknowledged.

The body is parsed by Postgres alone, so that what was signed is what is recorded. The answer is 200
once that is committed, whatever became of the event: what cannot be applied now is retried by a job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
import psycopg
import structlog
from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, RawBody
from stripe import SignatureVerificationError, WebhookSignature

from edge import queries
from edge.database import Database
from edge.errors import EdgeError, invalid
from edge.problems import problem_responses
from edge.rate_limits import BAD_SIGNATURES
from edge.settings import Secret

TOLERANCE: Final = 300
"""Seconds that a signature may be old: who records a delivery cannot replay it later."""

_ERRORS: Final = problem_responses(
    "invalid_signature",
    "payload_too_large",
    "validation_failed",
    "rate_limited",
    "internal",
    "provider_unavailable",
)

_log = structlog.get_logger("edge.webhook")


class Receipt(msgspec.Struct, frozen=True):
    """What became of the event; all of these are recorded."""

    status: Literal["applied", "duplicate", "ignored", "waiting", "failed"]


@post(
    "/webhooks/stripe",
    status_code=200,
    rate_limit=BAD_SIGNATURES,
    summary="Events of Stripe",
    response_description="The event is recorded",
    tags=["stripe"],
    responses=_ERRORS,
)
async def receive_event(
    request: Request[Any, Any, State],
    database: NamedDependency[Database],
    webhook_secrets: NamedDependency[tuple[Secret, ...]],
    body: RawBody,
    signature: Annotated[
        str | None,
        HeaderParameter(name="stripe-signature", description="Stripe's proof, over the raw body."),
    ] = None,
) -> Receipt:
    """Records and applies an event, once however often it is delivered."""
    state = request.app.state
    try:
        payload = verified(body, signature, webhook_secrets)
    except EdgeError:
        state.address_limits.take(BAD_SIGNATURES, request)
        # Forged, or our secret is not the endpoint's any more: then orders stay unpaid until somebody looks.
        state.metrics.received("refused")
        _log.warning("webhook_refused", hint="Sent by Stripe? Then STRIPE_WEBHOOK_SECRET is wrong.")
        raise
    try:
        status = await database.as_service().call(queries.RECEIVE_STRIPE_EVENT, {"payload": payload})
    except psycopg.errors.StatementTooComplex as error:
        raise invalid({"field": "body", "rule": "less deeply nested"}) from error
    state.metrics.received(status)
    return Receipt(status)


def verified(body: bytes, signature: str | None, secrets: Iterable[Secret]) -> str:
    """The text of a body that one of the secrets signed a short while ago; raises `invalid_signature`."""
    try:
        payload = body.decode()
    except UnicodeDecodeError:
        raise EdgeError("invalid_signature") from None
    # The SDK compares texts and does not expect others in a signature.
    if signature is not None and signature.isascii():
        for secret in secrets:
            try:
                WebhookSignature.verify_header(payload, signature, secret.reveal(), TOLERANCE)
            except SignatureVerificationError:
                continue
            return payload
    raise EdgeError("invalid_signature")
