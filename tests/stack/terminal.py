"""Runs the stack's commands as make does, in a state directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from scripts.stack.processes import MARK
from scripts.stack.settings import ROOT, Settings
from scripts.stack.stack import Stack


@dataclass
class Terminal:
    """One state directory, one range of ports, and the environment of its commands."""

    state: Path
    port: int
    env: dict[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        """The same stack, for what a test has to know about it."""
        return Stack(Settings(state=self.state, port=self.port))

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        own = {"GROUNDWORK_STATE": str(self.state), "GROUNDWORK_PORT": str(self.port), **self.env}
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.stack", *arguments],
            cwd=ROOT,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command to its end, demand this exit status, and return what it showed."""
        command = self.begin(*arguments)
        shown, _ = command.communicate(timeout=60)
        assert command.returncode == status, shown
        assert "Traceback" not in shown
        return shown

    def pid(self, part: str) -> int:
        """Of the recorded process of a part."""
        return int(json.loads((self.state / "run" / f"{part}.json").read_text())["pid"])

    def processes(self) -> list[psutil.Process]:
        """All that runs on behalf of this stack."""
        run_files = f"{self.state / 'run'}{os.sep}"
        return [process for process in psutil.process_iter() if _mark(process).startswith(run_files)]

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """What this statement returns to the developer's login."""
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def _mark(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""
