"""Stacks that a test drives like a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.ports import free_port_base
from tests.stack.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with a stack of its own, where nothing was ever started."""
    terminal = Terminal(state=tmp_path / "stack", port=free_port_base())
    yield terminal
    terminal.stack.destroy()


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal whose stack has a database from earlier; whoever uses it brings it up first."""
    terminal = Terminal(state=tmp_path_factory.mktemp("used"), port=free_port_base())
    terminal.run("up", "postgres")
    yield terminal
    terminal.stack.destroy()
