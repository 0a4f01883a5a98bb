"""Setting limits as their owner does, so small that tests can reach them."""

from __future__ import annotations

from tests.acting import World

NEVER = 1 / 3600
"""A rate at which nothing comes back while a test runs."""


def limit(world: World, name: str, burst: int, rate: float = NEVER) -> None:
    """Let everybody have so many of this at once."""
    assert world.as_dba(
        "update metering.rate_limits set burst = %s, rate = %s where name = %s returning name",
        burst, rate, name,
    )  # fmt: skip
