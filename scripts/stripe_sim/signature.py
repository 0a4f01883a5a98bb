"""The header that proves who sent a webhook."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence


def sign(payload: bytes, secrets: Sequence[str], timestamp: int) -> str:
    """`Stripe-Signature`: one `v1` for each secret, two while one is being rotated."""
    signed = b"%d." % timestamp + payload
    signatures = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={signature}" for signature in signatures)])
