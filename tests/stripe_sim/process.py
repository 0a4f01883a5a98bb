"""The simulator as its own process, and a person at its pages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import stripe

from scripts.stack.ports import free_port_base
from scripts.stack.settings import ROOT

KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_tests"
PATIENCE = 20.0
START = 1_790_000_000
"""Where time stands still."""

_web = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
"""A new connection each time, because simulators are killed; but not a new TLS context."""


@dataclass
class Sim:
    """One running simulator."""

    url: str
    process: subprocess.Popen[bytes]

    def client(self, key: str = KEY, **options: Any) -> stripe.StripeClient:
        options = {"max_network_retries": 0} | options
        return stripe.StripeClient(key, base_addresses={"api": self.url}, **options)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask something of the simulator itself."""
        response = _web.request(method, f"{self.url}/_sim/{path}", json=body)
        assert response.status_code < 300, response.text
        return response.json()

    def advance(self, **how: int) -> None:
        self.control("POST", "clock", how)

    def flush(self, *, everything: bool = False) -> dict[str, int]:
        made: dict[str, int] = self.control("POST", "deliveries/flush", {"everything": everything})
        return made

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.control("GET", "state")
        return state

    def events(self, prefix: str = "") -> list[str]:
        """The types of all events, oldest first."""
        kinds = [event["type"] for event in self.state()["objects"]["event"]]
        return [kind for kind in kinds if kind.startswith(prefix)]

    def reset(self, seed: str = "seed", frozen: int | None = START) -> None:
        self.control("POST", "reset", {"seed": seed, "frozen": frozen})

    def press(self, url: str | None, **form: str) -> httpx.Response:
        """Post a form of a hosted page."""
        assert url
        return _web.post(url, data=form)

    def kill(self) -> None:
        """As a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def launch(port: int, environ: Mapping[str, str]) -> Sim:
    """Start it and wait until it answers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
    wanted = {"STRIPE_SIM_PORT": str(port), "STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.stripe_sim"],
        cwd=ROOT,
        env=inherited | wanted | dict(environ),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    sim = Sim(f"http://127.0.0.1:{port}", process)
    eventually(lambda: process.poll() is not None or _answers(sim))
    assert process.poll() is None, "the simulator ended while it started"
    return sim


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds, but not forever."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@contextmanager
def running(state: Path | None = None, **environ: str) -> Iterator[Sim]:
    """A simulator of its own."""
    kept = {"STRIPE_SIM_STATE": str(state)} if state else {}
    sim = launch(free_port_base(), kept | environ)
    try:
        yield sim
    finally:
        if sim.process.poll() is None:
            sim.kill()


def _answers(sim: Sim) -> bool:
    try:
        return httpx.get(f"{sim.url}/_sim/health").status_code == 200
    except httpx.TransportError:
        return False
