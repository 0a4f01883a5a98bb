"""The database's access is what supabase/policies says, and only that directory says it."""

import subprocess
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from scripts.access.catalogue import read
from scripts.access.check import check_database, check_files
from scripts.access.equality import differences
from scripts.access.layout import MIGRATIONS, POLICIES, ROOT
from scripts.access.policy_rules import load
from scripts.access.strays import strays


def test_policy_files_alone_give_the_access_of_the_migrated_database(
    connection: psycopg.Connection[Any],
) -> None:
    assert differences(connection, load(POLICIES).values()) == []


@pytest.mark.parametrize(
    "drift",
    [
        "grant select on public.profiles to anon",
        "grant update (role) on public.profiles to authenticated",
        "grant usage on schema identity to authenticated",
        "grant execute on function core.is_email(text) to public",
        "revoke select on public.profiles from authenticated",
        "alter table public.profiles no force row level security",
        "alter table public.profiles disable row level security",
        "alter policy select_own on public.profiles using (true)",
        "alter policy select_own on public.profiles to public",
        "drop policy select_own on public.profiles",
        "create policy select_all on public.profiles for select to anon using (true)",
        "comment on policy select_own on public.profiles is 'Something else.'",
    ],
)
def test_any_other_access_is_reported(connection: psycopg.Connection[Any], drift: LiteralString) -> None:
    connection.execute(drift)
    assert differences(connection, load(POLICIES).values()) != []


def test_the_check_leaves_the_database_as_it_was(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = read(connection)
        assert check_database(POLICIES, database_url) == []
        assert read(connection) == before


def test_the_migrations_are_stamped_from_the_policy_files() -> None:
    assert check_files(POLICIES, MIGRATIONS) == []


@pytest.mark.parametrize(
    "statement",
    [
        "create policy select_own on public.t for select using (true)",
        "alter policy select_own on public.t using (true)",
        "drop policy select_own on public.t",
        "grant select on public.t to anon",
        "grant execute on function core.f() to public",
        "revoke usage on schema core from edge_service",
        "alter table public.t enable row level security",
        "alter table public.t add column c integer, no force row level security",
    ],
)
def test_access_that_stands_in_a_migration_is_reported(statement: str) -> None:
    assert [stray[:9] for stray in strays(f"select 1;\n{statement};\n", "m.sql")] == ["m.sql:2: "]


def test_default_privileges_memberships_and_grants_to_others_are_no_access_of_clients() -> None:
    harmless = """
        alter default privileges revoke execute on functions from public;
        grant anon to edge_service;
        grant select on core.errors to dashboard_user;
        comment on policy select_own on public.t is 'why';
    """
    assert list(strays(harmless, "m.sql")) == []


def test_the_command_works_from_any_directory_and_fails_on_a_difference(tmp_path: Path) -> None:
    (tmp_path / "policies" / "core").mkdir(parents=True)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "policies" / "core" / "schemas.sql").write_text("grant usage on schema core to anon;\n")

    def run(*arguments: str) -> tuple[int, str]:
        command = [
            str(ROOT / "scripts" / "policies"),
            "--policies=policies",
            "--migrations=migrations",
            *arguments,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run("check") == (1, "core/schemas.sql: differs from its last stamp\n")
    assert run("stamp")[0] == 0
    assert run("check")[0] == 0
    assert run("stamp") == (0, "nothing to stamp\n")
