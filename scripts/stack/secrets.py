"""Passwords and keys of one stack: generated once, readable by its owner only."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from scripts.stack.errors import StackError

LOGIN_ROLES = ("supabase_admin", "postgres", "authenticator", "supabase_lite", "edge_service")
TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True)
class Secrets:
    """What a hosted project would keep in its vault and show in its dashboard."""

    passwords: Mapping[str, str]
    """By login role."""
    jwt_secret: str
    signing_jwk: Mapping[str, str]
    """The private ES256 key that signs users' access tokens."""
    issued_at: int
    """Unix seconds; the API keys count their ten years from here."""

    @classmethod
    def load(cls, state: Path) -> Secrets:
        """Read `secrets.json` of this state directory, or generate it."""
        path = state / "secrets.json"
        if not path.exists():
            write_private(path, json.dumps(asdict(cls._generate()), indent=2))
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise StackError(
                f"{path} is not readable as this stack's secrets ({error}). "
                "Restore it, or run `make reset` to start over with new secrets and an empty database."
            ) from None

    @classmethod
    def _generate(cls) -> Secrets:
        key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        return cls(
            passwords={role: secrets.token_hex(16) for role in LOGIN_ROLES},
            jwt_secret=secrets.token_hex(32),
            signing_jwk={**key, "kid": secrets.token_hex(8), "alg": "ES256", "use": "sig"},
            issued_at=int(time.time()),
        )

    def api_key(self, role: str) -> str:
        """The project's key for `anon` or `service_role`: an HS256 token in the form hosted projects use."""
        claims = {
            "iss": "supabase",
            "ref": "local",
            "role": role,
            "iat": self.issued_at,
            "exp": self.issued_at + TEN_YEARS,
        }
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")

    def stripe(self, prefix: str) -> str:
        """A key of the Stripe simulator."""
        return f"{prefix}_{self._derived(f'stripe {prefix}')}"

    def ai(self, prefix: str) -> str:
        """A key of the stand-in of the AI providers."""
        return f"{prefix}-{self._derived(f'ai {prefix}')}"

    def _derived(self, text: str) -> str:
        """Not stored, so that older state directories have it too."""
        return hmac.new(self.jwt_secret.encode(), text.encode(), "sha256").hexdigest()[:48]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is never seen half-written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    draft.replace(path)
