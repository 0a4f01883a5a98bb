"""Whether a port is free, who has it, and where there are free ones."""

from __future__ import annotations

import random
import socket

import psutil

from scripts.stack.settings import HOST, PORTS_PER_STACK


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on this port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"pid {connection.pid} ({command[:120]})"
    except psutil.Error:
        pass
    return "another process"


def free_port_base() -> int:
    """The first of as many free ports as a stack needs, below those that the system hands out itself."""
    for _ in range(1000):
        base = random.randrange(20000, 32000, PORTS_PER_STACK)  # noqa: S311  (no secret)
        if all(is_free(port) for port in range(base, base + PORTS_PER_STACK)):
            return base
    raise OSError("no free ports from 20000 to 32000")
