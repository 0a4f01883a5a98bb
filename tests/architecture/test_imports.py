"""What a process need not load, it does not wait for: there are as many workers as it takes."""

import subprocess
import sys

import pytest

from scripts.stack.settings import ROOT


@pytest.mark.parametrize(("module", "loads"), [("edge.worker.__main__", False), ("edge.app", True)])
def test_only_the_edge_loads_the_web_framework(module: str, loads: bool) -> None:
    code = f"import {module}, sys; print('litestar' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads}\n"
