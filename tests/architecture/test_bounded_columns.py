"""Nobody parks megabytes or nonsense in a column: what clients write is bounded by a CHECK."""

import psycopg

UNBOUNDED = """
select format('%I.%I.%I', n.nspname, c.relname, a.attname)
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p')
join pg_namespace as n on n.oid = c.relnamespace
where
    n.nspname = 'public' and a.attnum > 0 and not a.attisdropped
    and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype,
                       'bytea'::regtype, 'numeric'::regtype)
    and (
        has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
        or has_column_privilege('authenticated', c.oid, a.attnum, 'update')
    )
    and not exists (
        select from pg_constraint as k
        where k.conrelid = c.oid and k.contype = 'c' and a.attnum = any (k.conkey)
    )
order by 1
"""


def _unbounded(connection: psycopg.Connection) -> list[str]:
    return [name for (name,) in connection.execute(UNBOUNDED)]


def test_every_column_that_clients_write_is_checked(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert _unbounded(connection) == []


def test_a_column_without_a_check_is_found(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table public.projects add column note text")
        connection.execute("grant insert (note) on public.projects to authenticated")
        assert _unbounded(connection) == ["public.projects.note"]
