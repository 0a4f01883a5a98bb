"""A real edge in front of the database of a run, and deliveries to its webhook over kept connections."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from typing import Final

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from scripts.bench.server import Server
from scripts.stack.ports import free_port_base
from scripts.stack.settings import ROOT
from scripts.stripe_sim.signature import sign

SECRET: Final = "whsec_of_the_benchmark"  # noqa: S105
PATIENCE: Final = 30.0
"""Seconds until the edge has to serve."""


@contextmanager
def edge(server: Server, clients: int) -> Iterator[int]:
    """The port of an edge with as many database connections as there are clients."""
    password = secrets.token_hex(16)
    with server.connect() as connection:
        connection.execute(sql.SQL("alter role edge_service password {}").format(sql.Literal(password)))
    at = conninfo_to_dict(server.url)
    port = free_port_base()
    environ = {
        "EDGE_PORT": str(port),
        "EDGE_POOL_SIZE": str(clients),
        "EDGE_DATABASE_URL": "postgresql://edge_service:{}@{host}:{port}/{dbname}".format(password, **at),
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_JWT_SECRET": secrets.token_hex(32),
        "SITE_URL": "https://app.example.com",
        "STRIPE_API_BASE": "http://127.0.0.1:9",
        "STRIPE_SECRET_KEY": "sk_test_of_the_benchmark",
        "STRIPE_WEBHOOK_SECRET": SECRET,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "edge"],
        cwd=ROOT, env=os.environ | environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/health/live")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("the edge does not serve")


def deliver(connection: HTTPConnection, payload: str) -> str:
    """What became of an event; raises if it was not taken."""
    body = payload.encode()
    headers = {"content-type": "application/json", "stripe-signature": sign(body, [SECRET], int(time.time()))}
    connection.request("POST", "/webhooks/stripe", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {text.decode()}; its numbers would mean nothing")
    status: str = json.loads(text)["status"]
    return status
