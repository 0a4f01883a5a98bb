"""Errors in Stripe's shape."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal: what a client reads in `error`, and the status that it comes with."""

    def __init__(self, status: int, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message, **{k: v for k, v in details.items() if v is not None}}

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


class InvalidParams(ApiError):
    """Refused before anything was executed; such an answer is not kept for the idempotency key."""


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The request cannot be carried out as things are."""
    return ApiError(400, "invalid_request_error", message, code=code, param=param)


def refused_param(message: str, param: str, code: str | None = None) -> InvalidParams:
    """A parameter is missing, unknown or malformed."""
    return InvalidParams(400, "invalid_request_error", message, code=code, param=param)


def missing(kind: str, id_: str, param: str = "id") -> ApiError:
    """There is no such object: 404 for the one in the path, 400 for one that a parameter names."""
    noun = {"checkout.session": "checkout session", "payment_method": "PaymentMethod"}.get(kind, kind)
    return ApiError(
        404 if param == "id" else 400,
        "invalid_request_error",
        f"No such {noun}: '{id_}'",
        code="resource_missing",
        param=param,
    )


def card_declined(decline_code: str, charge: str | None, payment_intent: dict[str, Any] | None) -> ApiError:
    """The bank said no."""
    return ApiError(
        402,
        "card_error",
        decline_message(decline_code),
        code="card_declined",
        decline_code=decline_code,
        charge=charge,
        payment_intent=payment_intent,
    )


def decline_message(decline_code: str) -> str:
    """What the customer may read."""
    if decline_code == "insufficient_funds":
        return "Your card has insufficient funds."
    return "Your card was declined."
