"""Names say when, where and what; a constraint's name says the rule that it keeps."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from scripts.access.layout import DOMAINS, MIGRATIONS, SCHEMAS
from scripts.access.migration import Migration, read

LONGEST = 250

GENERATED_NAMES = """
    select coalesce(c.conrelid::regclass::text, c.contypid::regtype::text) || ': ' || c.conname
    from pg_constraint as c
    inner join pg_namespace as n on c.connamespace = n.oid
    where n.nspname = any (%s) and c.contype in ('c', 'u', 'x') and c.conparentid = 0
    and c.conname ~ '_(check|key|excl)[0-9]*$'
    order by 1
"""

MISNAMED_TRIGGERS = """
    select t.tgrelid::regclass || ': ' || t.tgname
    from pg_trigger as t
    inner join pg_proc as p on t.tgfoid = p.oid
    inner join pg_namespace as n on p.pronamespace = n.oid
    where n.nspname = any (%s) and not t.tgisinternal and t.tgname !~ '^_[0-9]{3}_[a-z]+(_[a-z0-9]+)*$'
    order by 1
"""


def faults(migrations: list[Migration]) -> list[str]:
    found = []
    for migration in migrations:
        if migration.domain not in DOMAINS:
            found.append(f"{migration.path.name}: no domain is called {migration.domain}")
        try:
            datetime.strptime(migration.version, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            found.append(f"{migration.path.name}: {migration.version} is no point in time")
        if not migration.is_stamped and len(migration.text.splitlines()) > LONGEST:
            found.append(f"{migration.path.name}: more than one concept, by its {LONGEST} lines and more")
    versions = [migration.version for migration in migrations]
    found += [
        f"{version}: two migrations have it"
        for version in sorted(set(versions))
        if versions.count(version) > 1
    ]
    return found


def found(connection: psycopg.Connection[Any], query: LiteralString) -> list[str]:
    connection.execute("set local search_path = ''")
    return [name for (name,) in connection.execute(query, [list(SCHEMAS)])]


def test_migrations_are_named_by_time_domain_and_concept() -> None:
    assert faults(read(MIGRATIONS)) == []
    assert [path.name for path in MIGRATIONS.iterdir() if path.suffix != ".sql"] == []


def test_constraints_are_named_after_their_rule(connection: psycopg.Connection[Any]) -> None:
    assert found(connection, GENERATED_NAMES) == []


def test_triggers_are_numbered_in_the_order_they_fire(connection: psycopg.Connection[Any]) -> None:
    assert found(connection, MISNAMED_TRIGGERS) == []


@pytest.mark.parametrize(
    "column",
    [
        "a int check (a > 0)",
        "a int unique",
        "a int, exclude (a with =)",
        "a int, constraint t_check2 check (true)",
    ],
)
def test_a_generated_name_is_reported(connection: psycopg.Connection[Any], column: LiteralString) -> None:
    connection.execute(f"create table core.t ({column})")
    (name,) = found(connection, GENERATED_NAMES)
    assert name.startswith("core.t: t_")


def test_a_misnamed_trigger_is_reported(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create table core.t (updated_at timestamptz)")
    connection.execute(
        "create trigger touch before update on core.t for each row execute function core.touch()"
    )
    assert found(connection, MISNAMED_TRIGGERS) == ["core.t: touch"]


@pytest.mark.parametrize(
    ("name", "lines", "fault"),
    [
        ("20290101000000_core_things", LONGEST, ""),
        ("20290101000000_core_things", LONGEST + 1, "more than one concept"),
        ("20290101000000_core_access", LONGEST + 1, ""),
        ("20290101000000_kernel_things", 1, "no domain is called kernel"),
        ("20290199000000_core_things", 1, "20290199000000 is no point in time"),
    ],
)
def test_a_misnamed_or_overlong_migration_is_reported(
    tmp_path: Path, name: str, lines: int, fault: str
) -> None:
    (tmp_path / f"{name}.sql").write_text("\n" * lines)
    assert [fault in reported for reported in faults(read(tmp_path))] == ([True] if fault else [])


def test_two_migrations_of_one_second_are_reported(tmp_path: Path) -> None:
    for concept in ("one", "two"):
        (tmp_path / f"20290101000000_core_{concept}.sql").touch()
    assert faults(read(tmp_path)) == ["20290101000000: two migrations have it"]
