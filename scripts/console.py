"""What the commands for DBAs have in common: which database, tables, refusals."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[dict[str, Any]]

_WHICH: Final = (
    "Which database? Set DATABASE_URL or give --database-url; locally: set -a; . .local/stack.env; set +a"
)


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """The option that `act_on_database` reads."""
    parser.add_argument("--database-url", help="as its owner; DATABASE_URL by default")


def act_on_database(chosen: argparse.Namespace, act: Callable[[Connection, argparse.Namespace], int]) -> int:
    """Act in one transaction and return the exit code: 1 when the database refuses, 2 when there is none."""
    url = chosen.database_url or os.environ.get("DATABASE_URL")
    if not url:
        print(_WHICH, file=sys.stderr)
        return 2
    try:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return act(connection, chosen)
    except psycopg.Error as error:
        hint = error.diag.message_hint or ""
        print(f"{error.diag.message_primary or error}  {hint}".strip(), file=sys.stderr)
        return 1


def show_table(rows: Sequence[dict[str, Any]]) -> None:
    """Columns as wide as their content."""
    if not rows:
        print("none")
        return
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())
