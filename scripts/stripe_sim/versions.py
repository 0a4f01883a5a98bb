"""API versions: shapes are built as the current one has them, and taken back for older ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe._api_version import _ApiVersion

from scripts.stripe_sim.errors import refused_param
from scripts.stripe_sim.store import Document

CURRENT: str = _ApiVersion.CURRENT
PREVIOUS = "2026-09-30.endive"
PREVIOUS_MAJOR = "2026-08-26.dahlia"

_NEW_IN_ENDIVE: Mapping[str, frozenset[str]] = {
    "checkout.session": frozenset({"allowed_payment_method_types"}),
    "customer": frozenset({"invoice_credit_balance"}),
    "invoice": frozenset({"amount_paid_off_stripe", "status_details"}),
    "payment_intent": frozenset({"allowed_payment_method_types"}),
    "subscription": frozenset({"status_details"}),
}


def _without_endive(document: Document) -> Document:
    news = _NEW_IN_ENDIVE.get(str(document.get("object")), frozenset())
    return {name: value for name, value in document.items() if name not in news}


_STEPS: Mapping[str, Callable[[Document], Document]] = {
    CURRENT: lambda document: document,
    PREVIOUS: lambda document: document,  # a monthly release: same shapes
    PREVIOUS_MAJOR: _without_endive,
}


def require_version(version: str) -> str:
    """The version, if it is spoken here."""
    if version not in _STEPS:
        raise refused_param(f"Invalid Stripe API version: {version}", "Stripe-Version", "invalid_api_version")
    return version


def as_of(version: str, document: Any) -> Any:
    """The document, and all that it holds, in the shapes of this version."""
    if isinstance(document, list):
        return [as_of(version, item) for item in document]
    if not isinstance(document, dict):
        return document
    return _STEPS[version]({name: as_of(version, value) for name, value in document.items()})
