"""`python -m scripts.ai_sim`: serve until told to stop."""

from __future__ import annotations

import os
import sys

from granian.constants import HTTPModes, Interfaces
from granian.server import Server

from scripts.ai_sim.settings import Settings


def main() -> int:
    """One process: it counts every call."""
    settings = Settings.from_env(os.environ)
    Server(
        "scripts.ai_sim.app:create_worker_app",
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
