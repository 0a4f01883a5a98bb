"""The real edge, as its own process."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.stack.ports import is_free
from scripts.stack.settings import ROOT

PATIENCE = 60.0
"""Seconds after which something that must happen counts as not happening."""


@dataclass(frozen=True)
class EdgeProcess:
    url: str
    process: subprocess.Popen[str]
    log: Path

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


def run_edge(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Start it where it must not start, and see what it says."""
    return subprocess.run(
        [sys.executable, "-m", "edge"],
        cwd=ROOT, env=_environment(environ), capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip


@contextmanager
def edge_process(environ: Mapping[str, str], log: Path, module: str = "edge") -> Iterator[EdgeProcess]:
    """Start it on a free port, and wait until it serves."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT, env=_environment({**environ, "EDGE_PORT": str(port)}),
            stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    edge = EdgeProcess(f"http://127.0.0.1:{port}", process, log)
    try:
        eventually(lambda: is_live(edge), f"the edge does not serve:\n{log.read_text()}")
        yield edge
    finally:
        edge.stop()


def is_live(edge: EdgeProcess) -> bool:
    try:
        return httpx.get(f"{edge.url}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def eventually(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until the condition holds, but not forever."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def free_port() -> int:
    """Below those that the system hands out, for it would give the same one to the next connection."""
    for _ in range(1000):
        # No generator that a test may have seeded: two processes would choose alike.
        if is_free(port := random.SystemRandom().randrange(10000, 20000)):
            return port
    raise OSError("no free port from 10000 to 20000")


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what would configure an edge."""
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("EDGE_", "SUPABASE_", "STRIPE_", "SITE_", "ANTHROPIC_", "OPENAI_"))
    }
    return {**inherited, **environ}
