"""Gateways of a test's own, beside the stack's."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.stack.auth import gateway_auth
from scripts.stack.health import answers
from scripts.stack.ports import free_port_base
from scripts.stack.stack import Stack
from scripts.stack.toolchain import node

COMMAND = node("scripts/gateway/main.mjs")


def environment_of(stack: Stack, **auth: object) -> dict[str, str]:
    """What the stack's gateway gets, but for a free port and these changes to [auth]."""
    secrets = json.loads((stack.settings.state / "secrets.json").read_text())
    port = str(free_port_base())
    return {
        **os.environ,
        **stack.env,
        "SUPABASE_URL": f"http://127.0.0.1:{port}",
        "GATEWAY_PORT": port,
        "GATEWAY_DATABASE_URL": stack.url("supabase_lite"),
        "GATEWAY_SIGNING_JWK": json.dumps(secrets["signing_jwk"]),
        "GATEWAY_STORAGE_DIR": str(stack.settings.storage),
        "GATEWAY_AUTH": json.dumps({**gateway_auth(stack.settings), **auth}),
    }


@contextmanager
def running(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway that serves, until the end of the block at the latest."""
    process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not answers(f"{environment['SUPABASE_URL']}/health"):
            assert process.poll() is None, "the gateway left before it served"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()
