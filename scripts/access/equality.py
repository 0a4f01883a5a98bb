"""Whether a database's access is exactly what the policy files say."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from scripts.access.catalogue import read
from scripts.access.layout import CLIENT_ROLES, SCHEMAS
from scripts.access.policy_file import PolicyFile


def differences(connection: psycopg.Connection[Any], files: Iterable[PolicyFile]) -> list[str]:
    """Strip the database, apply `files`, compare with what was there; then roll everything back."""
    with connection.transaction(force_rollback=True):
        before = read(connection)
        strip(connection)
        apply(connection, files)
        after = read(connection)
    return [
        *(f"only in the database: {fact}" for fact in sorted(before.lines - after.lines)),
        *(f"missing in the database: {fact}" for fact in sorted(after.lines - before.lines)),
    ]


def strip(connection: psycopg.Connection[Any]) -> None:
    """Drop every policy, open row level security and revoke what any client role was granted."""
    catalogue = read(connection)
    ours = {table.name for table in catalogue.tables if table.schema in SCHEMAS and not table.is_partition}
    for policy in catalogue.policies:
        if policy.table in ours:
            drop = sql.SQL("drop policy {} on {}")
            connection.execute(drop.format(sql.Identifier(policy.name), _identifier(policy.table)))
    for table in ours:  # without partitions: they come and go, so whoever makes them guards them
        open_up = sql.SQL("alter table {} disable row level security, no force row level security")
        connection.execute(open_up.format(_identifier(table)))
    existing = connection.execute(
        "select nspname from pg_namespace where nspname = any (%s)", [list(SCHEMAS)]
    )
    for (schema,) in existing.fetchall():
        _revoke(connection, schema)


def _revoke(connection: psycopg.Connection[Any], schema: str) -> None:
    everyone = list(CLIENT_ROLES)
    # Usage of public by everyone is the host's, which others than clients rely on.
    clients = [role for role in everyone if (schema, role) != ("public", "public")]
    for objects, roles in (
        (sql.SQL("all tables in schema"), everyone),
        (sql.SQL("all sequences in schema"), everyone),
        (sql.SQL("all routines in schema"), everyone),
        (sql.SQL("schema"), clients),
    ):
        names = sql.SQL(", ").join(map(sql.Identifier, roles))
        revoke = sql.SQL("revoke all on {} {} from {}")
        connection.execute(revoke.format(objects, sql.Identifier(schema), names))


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split(".", 1))


def apply(connection: psycopg.Connection[Any], files: Iterable[PolicyFile]) -> None:
    """Run the policy files in the order given."""
    for file in files:
        connection.execute(file.text.encode())
