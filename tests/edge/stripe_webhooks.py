"""Deliveries as Stripe makes them, and as others would like to."""

from __future__ import annotations

import json
import time
from typing import Any

from scripts.stripe_sim.signature import sign
from tests.stripe_sim.process import SECRET

ADDRESS = "/webhooks/stripe"


def event(id_: str = "evt_1", **changes: Any) -> dict[str, Any]:
    """An event of a type that means nothing to us."""
    return {
        "id": id_,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "data": {"object": {"id": "prod_1", "object": "product"}},
        "livemode": False,
        "type": "product.created",
        **changes,
    }


def body_of(content: Any) -> bytes:
    return json.dumps(content, indent=2).encode()


def signed(body: bytes, *secrets: str, age: int = 0) -> dict[str, str]:
    """The headers of a delivery that was signed so many seconds ago."""
    return {
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": sign(body, secrets or (SECRET,), int(time.time()) - age),
    }
