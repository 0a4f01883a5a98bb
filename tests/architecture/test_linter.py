"""The Supabase linter has nothing to say, neither on security nor on performance."""

import re
from typing import LiteralString

import psycopg
import pytest

from scripts.stack.processes import ToolError
from scripts.stack.supabase_cli import supabase


def advice(database_url: str) -> list[str]:
    """What the linter finds at warn or above."""
    try:
        supabase("db", "advisors", f"--remote={database_url}", "--fail-on=warn", "--level=warn")
    except ToolError as error:
        details = re.findall(r'"detail": "(.*)"', error.output)
        if not details:
            raise
        return details
    return []


def test_nothing_is_at_warn_or_above(database_url: str) -> None:
    assert advice(database_url) == []


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        (
            "create table public.open (id int primary key); grant select on public.open to anon",
            "Table `public.open` is public, but RLS has not been enabled.",
        ),
        (
            "create policy select_all on public.profiles for select to authenticated using (true)",
            "Table `public.profiles` has multiple permissive policies",
        ),
    ],
)
def test_what_it_finds_is_reported(database_url: str, statement: LiteralString, detail: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement)
    assert any(found.startswith(detail) for found in advice(database_url))
