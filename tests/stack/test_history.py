"""A database that was made with other migrations is not taken for one that was made with these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.errors import StackError
from scripts.stack.ports import free_port_base
from scripts.stack.processes import Process
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack

FIRST = "20260101000000_demo_first.sql"
SECOND = "20260101000001_demo_second.sql"
TEXTS = {
    FIRST: "-- A table.\ncreate table public.first (text text default ';');\n\n/* The end. */\n",
    SECOND: "begin;\r\ncreate table public.second ();;\r\ncommit;",
    "20260101000002_demo_nothing.sql": "",
    "notes.sql": "The CLI skips what has no version.",
}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose database was made with TEXTS."""
    directory = tmp_path_factory.mktemp("history")
    settings = Settings(state=directory / "stack", port=free_port_base(), project=directory / "project")
    stack = Stack(settings)
    restore(settings.project)
    stack.up(["postgres"])
    yield stack
    stack.destroy()


@pytest.fixture
def migrations(migrated: Stack) -> Path:
    """Its migrations, as they were applied."""
    return restore(migrated.settings.project)


def restore(project: Path) -> Path:
    migrations = project / "supabase" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    for path in migrations.iterdir():
        path.unlink()
    for name, text in TEXTS.items():
        (migrations / name).write_bytes(text.encode())
    return migrations


def refusal(stack: Stack) -> str:
    with pytest.raises(StackError) as caught:
        stack.up(["postgres"])
    message = str(caught.value)
    assert "`make reset` drops the local data" in message
    assert "write a new migration" in message
    return message


def test_the_same_files_and_new_ones_are_applied(migrated: Stack, migrations: Path) -> None:
    migrated.up(["postgres"])
    (migrations / SECOND).write_text(TEXTS[SECOND].replace("\r\n", "\n"))
    migrated.up(["postgres"])


@pytest.mark.parametrize(("old", "new"), [("';'", "'.'"), ("A table", "A chair")])
def test_an_edited_file_is_named(migrated: Stack, migrations: Path, old: str, new: str) -> None:
    (migrations / FIRST).write_text(TEXTS[FIRST].replace(old, new))
    message = refusal(migrated)
    assert f"{FIRST} was edited after it was applied" in message
    assert SECOND not in message


def test_a_vanished_file_is_named(migrated: Stack, migrations: Path) -> None:
    (migrations / SECOND).unlink()
    message = refusal(migrated)
    assert f"{SECOND} was applied and is gone" in message
    assert FIRST not in message


def test_a_new_file_with_an_old_version_is_named(migrated: Stack, migrations: Path) -> None:
    (migrations / "20250101000000_demo_late.sql").write_text("select 1;")
    assert "20250101000000_demo_late.sql is new, but older than what was applied" in refusal(migrated)


def test_what_runs_goes_on(migrated: Stack, migrations: Path) -> None:
    migrated.up(["postgres"])
    process = Process.recorded(migrated.settings.run / "postgres.json")
    (migrations / FIRST).unlink()
    refusal(migrated)
    assert process
    assert Process.recorded(migrated.settings.run / "postgres.json") == process
