"""Access as a database's catalogue has it, as plain sorted data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from scripts.access.layout import CLIENT_ROLES, HOST_SCHEMAS

_PRIVILEGES = Path(__file__).with_name("catalogue.sql").read_bytes()

_TABLES = """
    select n.nspname || '.' || c.relname as name,
        c.relrowsecurity as enabled, c.relforcerowsecurity as forced, c.relispartition as is_partition
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> all (%(host_schemas)s)
    and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e')
"""

_POLICIES = """
    select p.schemaname || '.' || p.tablename as table, p.policyname as name,
        lower(p.cmd) as verb, p.permissive = 'PERMISSIVE' as permissive,
        array_to_string(p.roles, ', ') as roles, coalesce(p.qual, '') as using,
        coalesce(p.with_check, '') as with_check,
        coalesce(obj_description(o.oid, 'pg_policy'), '') as comment
    from pg_policies as p
    inner join pg_policy as o
        on p.policyname = o.polname
        and o.polrelid = (quote_ident(p.schemaname) || '.' || quote_ident(p.tablename))::regclass
    where p.schemaname <> all (%(host_schemas)s)
"""


@dataclass(frozen=True, order=True)
class Privilege:
    """One thing that one role may do with one object."""

    kind: str
    """schema, table (views too), sequence, function or type."""
    object: str
    part: str
    """The column, or nothing when it is the whole object."""
    role: str
    privilege: str

    def __str__(self) -> str:
        part = f" ({self.part})" if self.part else ""
        return f"{self.privilege}{part} on {self.kind} {self.object} for {self.role}"


@dataclass(frozen=True, order=True)
class Table:
    """A table and whether its rows are guarded, also from its owner."""

    name: str
    enabled: bool
    forced: bool
    is_partition: bool

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    def __str__(self) -> str:
        flags = ["enabled" if self.enabled else "disabled", "forced" if self.forced else "not forced"]
        return f"row level security of {self.name}: {', '.join(flags)}"


@dataclass(frozen=True, order=True)
class Policy:
    """A policy with its expressions as Postgres understood them."""

    table: str
    name: str
    verb: str
    permissive: bool
    roles: str
    using: str
    with_check: str
    comment: str

    def __str__(self) -> str:
        kind = "" if self.permissive else "restrictive "
        return (
            f"{kind}policy {self.name} on {self.table} for {self.verb} to {self.roles}"
            f" using ({self.using}) with check ({self.with_check}): {self.comment}"
        )


@dataclass(frozen=True)
class Catalogue:
    """Everything about access that policy files decide."""

    privileges: tuple[Privilege, ...]
    tables: tuple[Table, ...]
    policies: tuple[Policy, ...]

    @property
    def lines(self) -> set[str]:
        """Each fact in words, to compare two catalogues."""
        return {str(fact) for fact in (*self.privileges, *self.tables, *self.policies)}


def read(connection: psycopg.Connection[Any]) -> Catalogue:
    """The access that this database grants to client roles at this moment."""
    names = {"host_schemas": list(HOST_SCHEMAS), "roles": list(CLIENT_ROLES)}
    with (
        connection.transaction(force_rollback=True),
        connection.cursor(row_factory=class_row(Privilege)) as privileges,
        connection.cursor(row_factory=class_row(Table)) as tables,
        connection.cursor(row_factory=class_row(Policy)) as policies,
    ):
        # So that expressions are written with qualified names, whoever asks.
        connection.execute("set local search_path = ''")
        return Catalogue(
            tuple(sorted(privileges.execute(_PRIVILEGES, names))),
            tuple(sorted(tables.execute(_TABLES, names))),
            tuple(sorted(policies.execute(_POLICIES, names))),
        )
