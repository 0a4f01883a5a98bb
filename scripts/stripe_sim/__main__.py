"""`python -m scripts.stripe_sim`: serve until told to stop."""

from __future__ import annotations

import os
import sys

from granian.constants import HTTPModes, Interfaces
from granian.server import Server

from scripts.stripe_sim.settings import Settings


def main() -> int:
    """One process: the simulator's order of events is the order of its requests."""
    settings = Settings.from_env(os.environ)
    Server(
        "scripts.stripe_sim.app:create_worker_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        http=HTTPModes.auto,
        websockets=False,
        workers=1,
        workers_kill_timeout=2,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
