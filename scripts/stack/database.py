"""What Supabase puts into a server and its databases, and the migrations on top."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from scripts.stack.errors import StackError
from scripts.stack.history import require_unchanged
from scripts.stack.processes import ToolError, run
from scripts.stack.settings import ROOT
from scripts.stack.supabase_cli import supabase
from scripts.stack.toolchain import node

HERE = Path(__file__).parent


def bootstrap(superuser_url: str) -> None:
    """Create the roles of a hosted project in this server, unless they are there."""
    with psycopg.connect(superuser_url) as connection:
        if connection.execute("select to_regrole('authenticator')").fetchone() == (None,):
            connection.execute((HERE / "cluster.sql").read_bytes())


def set_passwords(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Set the password of each of these roles that exists; the server's log never sees one."""
    with psycopg.connect(superuser_url) as connection:
        for role, password in passwords.items():
            if connection.execute("select to_regrole(%s)", [role]).fetchone() == (None,):
                continue
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            statement = sql.SQL("alter role {} login password {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier.decode())))


def prepare(superuser_url: str) -> None:
    """Make this database what a hosted one is before its first migration, unless it already is.

    The server needs its roles first (`bootstrap`).
    """
    with psycopg.connect(superuser_url) as connection:
        if connection.execute("select to_regnamespace('auth')").fetchone() != (None,):
            return
        connection.execute((HERE / "database.sql").read_bytes())
        for owner, ddl in json.loads(run(node("scripts/stack/lite_schema.mjs"))).items():
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))
            connection.execute(ddl)


def migrate(database_url: str, *, seed: bool, project: Path = ROOT) -> str:
    """Push the migrations of `project`/supabase with the real Supabase CLI; returns what it printed."""
    require_unchanged(database_url, project / "supabase" / "migrations")
    flags = ["--include-seed"] if seed else []
    try:
        return supabase("db", "push", f"--remote={database_url}", "--yes", *flags, project=project)
    except ToolError as error:
        raise StackError(_explain(error.output)) from None


def _explain(output: str) -> str:
    files = re.findall(r"(?:Applying migration|Seeding data from) (\S+?)(?:\.\.\.)?$", output, re.MULTILINE)
    culprit = f" in {files[-1]}" if files else ""
    return f"The migrations could not be applied: the Supabase CLI stopped{culprit}.\n{output.strip()}"
