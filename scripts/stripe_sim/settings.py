"""What the environment tells the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """STRIPE_SIM_HOST and _PORT, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET and _URL, and what tests choose."""

    host: str = "127.0.0.1"
    port: int = 12111
    secret_key: str = "sk_test_groundwork"  # noqa: S105  (opens nothing but this)
    webhook_secrets: tuple[str, ...] = ()
    """By comma: two while one replaces the other."""
    webhook_url: str = ""
    state: Path | None = None
    """STRIPE_SIM_STATE: the file that survives restarts; without it nothing does."""
    seed: str | None = None
    """STRIPE_SIM_SEED: the same requests get the same ids; without it they are random."""
    frozen: int | None = None
    """STRIPE_SIM_CLOCK: time stands still at these Unix seconds until it is advanced."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        state, frozen = env.get("STRIPE_SIM_STATE"), env.get("STRIPE_SIM_CLOCK")
        return cls(
            host=env.get("STRIPE_SIM_HOST") or cls.host,
            port=int(env.get("STRIPE_SIM_PORT") or cls.port),
            secret_key=env.get("STRIPE_SECRET_KEY") or cls.secret_key,
            webhook_secrets=tuple(filter(None, env.get("STRIPE_WEBHOOK_SECRET", "").split(","))),
            webhook_url=env.get("STRIPE_WEBHOOK_URL", ""),
            state=Path(state) if state else None,
            seed=env.get("STRIPE_SIM_SEED") or None,
            frozen=int(frozen) if frozen else None,
        )
