"""The migrations that a local database was made with, compared with the files that are here now.

The Supabase CLI goes by version alone: it takes an edited file for applied, and answers a vanished one with
advice for databases that cannot be dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from scripts.stack.errors import StackError

MIGRATION = re.compile(r"(\d+)_.*\.sql")
BETWEEN_STATEMENTS = re.compile(r"[\s;]+")  # which the CLI's record has lost


def require_unchanged(database_url: str, migrations: Path) -> None:
    """Refuse, naming each file, unless `migrations` only adds to what this database has."""
    if problems := sorted(_problems(_applied(database_url), _files(migrations))):
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise StackError(
            f"The migrations are no longer those that the local database was made with:\n{listed}\n"
            "`make reset` drops the local data and starts afresh with the files as they are. "
            "To keep the data, undo the change and write a new migration."
        )


def _problems(applied: Mapping[str, tuple[str, str]], files: Mapping[str, Path]) -> Iterator[str]:
    for version, (name, text) in applied.items():
        if version not in files:
            yield f"{version}_{name}.sql was applied and is gone"
        elif _essence(files[version].read_text("utf-8-sig")) != _essence(text):
            yield f"{files[version].name} was edited after it was applied"
    newest = max(applied, default="")
    for version in files.keys() - applied.keys():
        if version < newest:
            yield f"{files[version].name} is new, but older than what was applied"


def _applied(database_url: str) -> dict[str, tuple[str, str]]:
    """Name and text of each applied migration, by version."""
    with psycopg.connect(database_url) as connection:
        if connection.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchone() == (
            None,
        ):
            return {}
        rows = connection.execute(
            "select version, name, statements from supabase_migrations.schema_migrations"
        )
        return {version: (name, ";".join(statements)) for version, name, statements in rows}


def _files(migrations: Path) -> dict[str, Path]:
    matches = ((MIGRATION.fullmatch(path.name), path) for path in migrations.glob("*.sql"))
    return {match[1]: path for match, path in matches if match}


def _essence(text: str) -> str:
    return BETWEEN_STATEMENTS.sub("", text)
