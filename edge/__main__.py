"""`python -m edge`: serve until told to stop, finish what is in flight, close the pool."""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from tempfile import TemporaryDirectory

from granian.constants import HTTPModes, Interfaces
from granian.server import Server

from edge.logs import standard_logging
from edge.settings import Settings, SettingsError, load_settings


def main() -> int:
    """Return the exit code: 2 when the environment does not allow to start."""
    try:
        settings = load_settings(os.environ)
        refuse_taken_port(settings.host, settings.port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2

    with TemporaryDirectory(prefix="edge-metrics-") as metrics_directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_directory
        # Workers are forked with everything imported, or they would be deaf for seconds: see edge.app.
        import_module("edge.app")
        serve(settings)
    return 0


def refuse_taken_port(host: str, port: int) -> None:
    """The server shares its port with whoever else listens there and would serve a part of the requests."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise SettingsError([f"EDGE_HOST and EDGE_PORT: {error.strerror}: {host}:{port}"]) from error


def serve(settings: Settings) -> None:
    """Serve with the configured number of worker processes until SIGTERM or SIGINT.

    It then waits for all requests in flight, however long: whoever supervises the process sets the limit.
    """
    Server(
        "edge.app:create_worker_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        http=HTTPModes.auto,
        websockets=False,
        workers=settings.workers,
        respawn_failed_workers=True,
        log_dictconfig=standard_logging(settings.log_format),
    ).serve()


if __name__ == "__main__":
    sys.exit(main())
