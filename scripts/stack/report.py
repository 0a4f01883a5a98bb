"""What people see in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.stack.google import PEOPLE
from scripts.stack.runner import Status
from scripts.stack.settings import Settings

DEMO_PASSWORD = "groundwork1"  # noqa: S105  (the accounts of supabase/seed.sql)
DEMO_ACCOUNTS = {
    "ada@example.com": "super admin, owner of an organization",
    "grace@example.com": "member of that organization",
    "alan@example.com": "in no organization",
}


class _Terminal(Console):
    """Goes on without an audience: `make up | head` still starts everything."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False, soft_wrap=True)
        self._stream = stream

    def on_broken_pipe(self) -> None:
        """Write the rest to nowhere."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class Report:
    """Progress and results on a terminal; plain lines when the output goes elsewhere."""

    def __init__(self) -> None:
        self._console = _Terminal(sys.stdout)
        self._errors = _Terminal(sys.stderr)
        self._spinner = self._console.status("")

    def doing(self, what: str) -> None:
        """Show what goes on, until something else does."""
        self._spinner.update(Text(f"{what} …"))
        self._spinner.start()
        if not self._console.is_terminal:
            self._console.print(Text(f"  {what} …"))

    def done(self, what: str) -> None:
        """Keep a line about what is finished."""
        self._spinner.stop()
        self._console.print(Text.assemble(("✓ ", "green"), what))

    def line(self, text: str) -> None:
        """Print a line as it is."""
        self._spinner.stop()
        self._console.print(Text(text))

    def failure(self, message: str) -> None:
        """Explain on standard error why the command failed."""
        self._spinner.stop()
        self._errors.print(Text.assemble(("✗ ", "red"), message))

    def overview(self, env: Mapping[str, str], settings: Settings) -> None:
        """The one table: where everything is, and who can sign in."""
        rows = [
            ("Data API, Auth, Storage", env["SUPABASE_URL"], "supabase-js and supabase-py connect here"),
            ("Edge", env["EDGE_URL"], "OpenAPI at /schema"),
            ("Worker", settings.worker_url, "Prometheus at /metrics"),
            ("Mailbox", env["MAIL_URL"], "every e-mail that is sent lands here"),
            ("Stripe stand-in", env["STRIPE_API_BASE"], "API, pay pages and, under /_sim, its test clock"),
            ("AI stand-in", env["AI_URL"], _who_answers(settings)),
            ("Google stand-in", env["GOOGLE_URL"], f"signs in {' or '.join(PEOPLE)}"),
            ("Database", env["DATABASE_URL"], ""),
            ("anon key", env["SUPABASE_ANON_KEY"], ""),
            ("service_role key", env["SUPABASE_SERVICE_ROLE_KEY"], ""),
            *((email, DEMO_PASSWORD, who) for email, who in DEMO_ACCOUNTS.items()),
            ("All variables", str(settings.env_file), ""),
        ]
        self._spinner.stop()
        names = max(len(name) for name, _, _ in rows)
        values = max(len(value) for _, value, remark in rows if remark)
        for name, value, remark in rows:
            line = f"  {value:<{values}}  {remark}".rstrip()
            self._console.print(Text.assemble((f"{name:<{names}}", "bold"), line))

    def status(self, statuses: Sequence[Status]) -> None:
        """One line per part."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("part", "state", "pid", "port"):
            table.add_column(heading)
        for status in statuses:
            state, style = _state(status)
            pid = str(status.process.pid) if status.process else ""
            ports = ", ".join(map(str, status.part.ports))
            table.add_row(status.part.name, Text(state, style), pid, ports)
        self._console.print(table)


def _who_answers(settings: Settings) -> str:
    if settings.live_ai:
        return "not asked: GROUNDWORK_AI=live, so the real providers answer, for money"
    return "answers as Anthropic and OpenAI; under /_sim it counts calls and makes them fail"


def _state(status: Status) -> tuple[str, str]:
    if status.healthy:
        return "running", "green"
    return ("not answering", "yellow") if status.process else ("stopped", "red")
