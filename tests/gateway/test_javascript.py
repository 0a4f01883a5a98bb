"""The same with supabase-js: each file under javascript/ is a suite for Node's own test runner."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.stack.toolchain import NODE

SUITES = sorted((Path(__file__).parent / "javascript").glob("*.test.mjs"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_supabase_js(stack: Mapping[str, str], suite: Path) -> None:
    run = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", str(suite)],
        env={**os.environ, **stack},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
