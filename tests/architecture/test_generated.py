"""What is generated from the database and kept in the repository is up to date."""

import subprocess
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from scripts.access.contract import contract
from scripts.access.layout import ROOT
from scripts.artifacts.errors_table import BEGIN, END, MarkersMissingError, errors_table
from scripts.generate import CONTRACT, KINDS, generate


@pytest.mark.parametrize("kind", KINDS)
def test_generated_files_are_what_the_database_gives(database_url: str, kind: str) -> None:
    for path, wanted in generate(database_url, [kind]):
        assert path.read_text() == wanted, (
            f"{path.name} is out of date: run `make generate` and review the difference"
        )


def test_the_command_compares_and_fails_on_a_difference(database_url: str, tmp_path: Path) -> None:
    command = [str(ROOT / "scripts" / "generate"), "contract", "--check", f"--database-url={database_url}"]

    def check() -> tuple[int, list[str]]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()

    assert check() == (0, ["supabase/policies/CONTRACT.txt is up to date"])
    with psycopg.connect(database_url) as connection:
        connection.execute("grant usage on schema identity to anon")
    status, difference = check()
    assert status == 1
    assert "+  anon usage" in difference


@pytest.mark.parametrize(
    ("widening", "line"),
    [
        (
            "grant select on public.memberships to anon",
            "  anon select whole table (organization_id, user_id, role, created_at, updated_at)",
        ),
        ("grant update (role) on public.profiles to authenticated", "  authenticated update (name, role)"),
        ("alter table public.profiles disable row level security", "  row level security disabled, forced"),
        (
            "create policy select_all on public.profiles for select to anon using (true)",
            "  policy select_all: select to anon",
        ),
        ("alter policy select_own on public.profiles using (true)", "    using true"),
        ("create table public.loose (id int)", "table public.loose"),
        ("create view public.loose as select 1 as a", "view public.loose"),
        ("grant select on core.errors to anon", "table core.errors"),
        ("grant usage on schema identity to anon", "  anon usage"),
        (
            "create function public.f() returns int language sql return 1",
            "function public.f() returns integer: nobody",
        ),
        (
            "create function core.f(a int default 1) returns int language sql security definer return 1;"
            " grant execute on function core.f to public",
            "function core.f(a integer DEFAULT 1) returns integer, definer: public",
        ),
        ("create type core.e as enum ('a'); grant usage on type core.e to anon", "type core.e"),
        ("create sequence core.s; grant usage on sequence core.s to anon", "sequence core.s"),
    ],
)
def test_a_widening_is_a_visible_line(
    connection: psycopg.Connection[Any], widening: LiteralString, line: str
) -> None:
    before = contract(connection).splitlines()
    connection.execute(widening)
    after = contract(connection).splitlines()
    assert after.count(line) > before.count(line)


def test_the_contract_tells_of_every_table_of_public(connection: psycopg.Connection[Any]) -> None:
    tables = connection.execute(
        "select 'table public.' || tablename from pg_tables where schemaname = 'public'"
    )
    assert {name for (name,) in tables} <= set(CONTRACT.read_text().splitlines())


def test_the_table_of_errors_replaces_what_stands_between_its_markers(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("insert into core.errors values ('teapot', 418, 'Short | stout.')")
    document = errors_table(connection, f"# Errors\n\n{BEGIN}\noutdated\n{END}\n\nMore.\n")
    assert document.startswith(f"# Errors\n\n{BEGIN}\n| code | HTTP | meaning |\n|---|---|---|\n")
    assert "| `teapot` | 418 | Short \\| stout. |\n" in document
    assert document.endswith(f"|\n{END}\n\nMore.\n")
    assert "outdated" not in document
    assert errors_table(connection, document) == document


@pytest.mark.parametrize("document", ["# Errors\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_document_without_markers_is_refused(connection: psycopg.Connection[Any], document: str) -> None:
    with pytest.raises(MarkersMissingError, match=r"ERRORS\.md lacks its markers"):
        errors_table(connection, document)
