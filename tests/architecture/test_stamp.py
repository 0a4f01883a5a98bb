"""Stamping turns what changed in policy files into migrations that deploy it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts.access.catalogue import read
from scripts.access.check import check_files
from scripts.access.equality import apply
from scripts.access.policy_rules import load
from scripts.access.sql import SqlError
from scripts.access.stamp import stamp

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def story(table: str, *verbs: str, who: str = "own") -> str:
    """A complete policy file of a table with one policy for each verb."""
    lines = [
        f"revoke all on {table} from anon, authenticated, service_role, edge_service;",
        f"alter table {table} enable row level security, force row level security;",
    ]
    for verb in verbs:
        clause = "with check" if verb == "insert" else "using"
        lines += [
            f"create policy {verb}_{who} on {table} for {verb} to authenticated {clause} (true);",
            f"comment on policy {verb}_{who} on {table} is 'Because.';",
        ]
    lines += [f"grant select, update (body) on {table} to authenticated;"] if verbs else []
    return "\n".join(lines) + "\n"


class Project:
    """Policy files and migrations in a directory of their own."""

    def __init__(self, root: Path) -> None:
        self.policies, self.migrations = root / "policies", root / "migrations"
        self.migrations.mkdir()
        self.migrate("20290101000000_core_tables")

    def say(self, path: str, text: str | None) -> None:
        file = self.policies / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink() if text is None else file.write_text(text)

    def migrate(self, name: str, sql: str = "select 1;\n") -> None:
        (self.migrations / f"{name}.sql").write_text(sql)

    def stamp(self, *, amend: bool = False) -> dict[str, str]:
        """The stamped migrations by name, without their headers."""
        written = stamp(self.policies, self.migrations, amend=amend, now=NOW)
        return {path.name: path.read_text().split("\n\n", 2)[2] for path in written}

    @property
    def problems(self) -> list[str]:
        return check_files(self.policies, self.migrations)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.say("core/notes.sql", story("core.notes", "select", "update"))
    project.say("core/functions.sql", "grant execute on function core.f(text), core.g() to authenticated;\n")
    project.say("jobs/letters.sql", story("jobs.letters"))
    return project


def block(path: str, text: str) -> str:
    return f"-- begin {path}\n{text}-- end {path}\n"


def test_one_migration_for_each_domain_holds_the_plain_text(project: Project) -> None:
    assert project.problems == [
        f"{path}: differs from its last stamp"
        for path in ("core/notes.sql", "core/functions.sql", "jobs/letters.sql")
    ]
    notes, functions = (project.policies / "core" / f"{name}.sql" for name in ("notes", "functions"))
    assert project.stamp() == {
        "20300101000000_core_access.sql": (
            block("core/notes.sql", notes.read_text())
            + "\n"
            + block("core/functions.sql", functions.read_text())
        ),
        "20300101000001_jobs_access.sql": block("jobs/letters.sql", story("jobs.letters")),
    }
    assert project.problems == []


def test_nothing_is_written_when_nothing_changed(project: Project) -> None:
    project.stamp()
    before = sorted(project.migrations.iterdir())
    assert project.stamp() == {}
    assert sorted(project.migrations.iterdir()) == before


def test_a_stamp_comes_after_every_migration_even_one_from_the_future(project: Project) -> None:
    project.migrate("20991231235959_jobs_later")
    assert list(project.stamp()) == ["21000101000000_core_access.sql", "21000101000001_jobs_access.sql"]


def test_a_changed_table_drops_its_old_policies_first(project: Project) -> None:
    project.stamp()
    project.say("core/notes.sql", story("core.notes", "select", who="member"))
    assert project.stamp() == {
        "20300101000002_core_access.sql": (
            "drop policy if exists update_own on core.notes;\n"
            "drop policy if exists select_own on core.notes;\n\n"
            + block("core/notes.sql", story("core.notes", "select", who="member"))
        )
    }


def test_a_changed_list_of_functions_revokes_what_is_gone_unless_the_function_is_gone_too(
    project: Project,
) -> None:
    project.stamp()
    project.say("core/functions.sql", "grant execute on function core.g() to authenticated;\n")
    (text,) = project.stamp().values()
    assert text == (
        "do $undo$\nbegin\n"
        "    if to_regprocedure('core.f(text)') is not null then\n"
        "        revoke execute on function core.f(text) from authenticated;\n"
        "    end if;\n"
        "end\n$undo$;\n\n"
        + block("core/functions.sql", "grant execute on function core.g() to authenticated;\n")
    )


def test_a_deleted_file_leaves_the_table_closed(project: Project) -> None:
    project.stamp()
    project.say("core/notes.sql", None)
    assert project.problems == ["core/notes.sql: differs from its last stamp"]
    (text,) = project.stamp().values()
    assert "drop policy if exists select_own on core.notes;" in text
    assert "revoke all on core.notes from anon, authenticated, service_role, edge_service;" in text
    assert "disable row level security" not in text
    assert text.endswith("-- removed core/notes.sql\n")
    assert project.problems == []
    assert project.stamp() == {}


def test_a_renamed_table_drops_its_policies_under_the_new_name(project: Project) -> None:
    project.stamp()
    project.migrate("20300101000005_core_rename", "alter table core.notes rename to memos;\n")
    project.say("core/notes.sql", None)
    project.say("core/memos.sql", story("core.memos", "select"))
    (text,) = project.stamp().values()
    assert "drop policy if exists update_own on core.memos;" in text
    assert "core.notes" not in text
    assert project.problems == []


def test_a_file_may_move_to_another_domain(project: Project) -> None:
    project.say("jobs/board.sql", story("public.board", "select"))
    project.stamp()
    project.say("jobs/board.sql", None)
    project.say("core/board.sql", story("public.board", "select", who="member"))
    core, jobs = project.stamp().values()
    assert core.startswith("drop policy if exists select_own on public.board;\n\n-- begin core/board.sql\n")
    assert jobs == "-- removed jobs/board.sql\n"
    assert project.problems == []


def test_amend_rewrites_the_newest_stamp_as_if_for_the_first_time(project: Project) -> None:
    first = project.stamp()
    project.say("core/notes.sql", story("core.notes", "select", who="member"))
    ((name, text),) = project.stamp(amend=True).items()
    assert name == "20300101000000_core_access.sql"
    assert text == first[name].replace(
        story("core.notes", "select", "update"), story("core.notes", "select", who="member")
    )
    assert project.problems == []


def test_amend_stands_right_behind_the_migrations_of_its_domain(project: Project) -> None:
    project.migrate("20290101000100_jobs_tables")
    assert list(project.stamp(amend=True)) == [
        "20290101000001_core_access.sql",
        "20290101000101_jobs_access.sql",
    ]
    project.migrate("20290101000002_core_more")
    project.say("core/notes.sql", story("core.notes"))
    assert list(project.stamp(amend=True)) == ["20290101000003_core_access.sql"]
    assert not (project.migrations / "20290101000001_core_access.sql").exists()


def test_amend_back_to_what_was_deployed_removes_the_migration(project: Project) -> None:
    project.stamp()
    project.say("jobs/letters.sql", story("jobs.letters", "select"))
    project.stamp()
    project.say("jobs/letters.sql", story("jobs.letters"))
    assert project.stamp(amend=True) == {}
    assert project.problems == []


@pytest.mark.parametrize(
    "edit", [("(true)", "(false)"), ("lock_timeout = '5s'", "lock_timeout = '9s'"), ("sha256", "md5")]
)
def test_an_edit_by_hand_is_detected(project: Project, edit: tuple[str, str]) -> None:
    project.stamp()
    stamped = project.migrations / "20300101000000_core_access.sql"
    stamped.write_text(stamped.read_text().replace(*edit, 1))
    assert f"{stamped.name}: edited by hand; edit the policy file and stamp" in project.problems


def test_a_faulty_file_stops_the_stamp_before_anything_is_written(project: Project) -> None:
    project.say("jobs/letters.sql", "drop table jobs.letters;\n")
    with pytest.raises(SqlError, match=r"jobs/letters\.sql:1: not about this file's table"):
        project.stamp()
    assert [path.name for path in project.migrations.iterdir()] == ["20290101000000_core_tables.sql"]


def test_a_missing_directory_is_no_order_to_take_everything_back(project: Project) -> None:
    project.stamp()
    project.policies.rename(project.policies.with_name("elsewhere"))
    with pytest.raises(SqlError, match="no such directory"):
        project.stamp()


def test_deploying_stamp_after_stamp_gives_the_access_of_a_fresh_database(
    project: Project, connection: psycopg.Connection[Any]
) -> None:
    def deploy() -> None:
        for name in project.stamp():
            connection.execute((project.migrations / name).read_bytes())

    before = read(connection).lines
    connection.execute("""
        create table jobs.letters (body text);
        create table core.notes (body text);
        create table core.gone (body text);
        create table core.closed (body text);
        create function core.f(text) returns int language sql return 1;
        create function core.g() returns int language sql return 1;
    """)
    project.say("core/gone.sql", story("core.gone", "select"))
    project.say("core/closed.sql", story("core.closed", "select"))
    deploy()
    opened = read(connection).lines - before
    assert "execute on function core.f(text) for authenticated" in opened

    dropped = "drop table core.gone; drop function core.f(text); alter table core.notes rename to memos;\n"
    project.migrate("20300101000005_core_change", dropped)
    connection.execute(dropped.encode())
    project.say("core/gone.sql", None)
    project.say("core/closed.sql", story("core.closed"))
    project.say("core/notes.sql", None)
    project.say("core/memos.sql", story("core.memos", "select", "delete", who="member"))
    project.say("core/functions.sql", "grant execute on function core.g() to service_role;\n")
    project.say("jobs/letters.sql", story("jobs.letters", "select"))
    deploy()
    incremental = read(connection).lines - before

    connection.rollback()
    connection.execute("""
        create table jobs.letters (body text);
        create table core.memos (body text);
        create table core.closed (body text);
        create function core.g() returns int language sql return 1;
    """)
    apply(connection, load(project.policies).values())
    assert incremental == read(connection).lines - before
    assert "execute on function core.g() for service_role" in incremental
    assert "execute on function core.g() for authenticated" not in incremental
