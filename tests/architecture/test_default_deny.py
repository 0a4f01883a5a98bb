"""Nobody may do anything that a policy file does not open, whatever the host grants on its own."""

from typing import Any, LiteralString

import psycopg
import pytest

from scripts.access.catalogue import read
from scripts.access.layout import SCHEMAS

OTHERS_IN_PUBLIC = """
    select 'relation ' || c.oid::regclass from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relkind not in ('r', 'p', 'v', 'i', 'I')
    and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i')
    union all
    select 'type ' || t.oid::regtype from pg_type as t
    where t.typnamespace = 'public'::regnamespace and t.typrelid = 0 and t.typelem = 0
    union all
    select 'extension ' || e.extname from pg_extension as e where e.extnamespace = 'public'::regnamespace
    order by 1
"""

DEFINER_VIEWS = """
    select c.oid::regclass::text from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    where n.nspname = any (%(schemas)s) and c.relkind in ('v', 'm')
    and not coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on']
    order by 1
"""


def found(connection: psycopg.Connection[Any], query: LiteralString) -> list[str]:
    connection.execute("set local search_path = ''")
    return [name for (name,) in connection.execute(query, {"schemas": list(SCHEMAS)})]


def unguarded(connection: psycopg.Connection[Any]) -> list[str]:
    tables = [table for table in read(connection).tables if table.schema in SCHEMAS]
    assert tables
    return [table.name for table in tables if not (table.enabled and table.forced)]


def too_wide(connection: psycopg.Connection[Any]) -> list[str]:
    """Privileges that no client role needs: beyond rows, on columns not named, or for everyone."""
    wide = []
    for privilege in read(connection).privileges:
        verb = privilege.privilege
        by_row = verb in {"select", "delete"} or (verb in {"insert", "update"} and privilege.part != "")
        harmless = {
            "table": by_row,
            "function": verb == "execute" and privilege.role != "public",
            "schema": verb == "usage" and (privilege.role != "public" or privilege.object == "public"),
        }
        if not harmless.get(privilege.kind, False):
            wide.append(str(privilege))
    return wide


def test_every_table_guards_its_rows_also_from_its_owner(connection: psycopg.Connection[Any]) -> None:
    assert unguarded(connection) == []


@pytest.mark.parametrize("drift", ["disable row level security", "no force row level security"])
def test_an_unguarded_table_is_reported(connection: psycopg.Connection[Any], drift: LiteralString) -> None:
    connection.execute(f"alter table core.errors {drift}")
    assert unguarded(connection) == ["core.errors"]


def test_no_client_role_has_more_than_it_can_need(connection: psycopg.Connection[Any]) -> None:
    assert too_wide(connection) == []


@pytest.mark.parametrize(
    ("grant", "privilege"),
    [
        ("insert on public.profiles to authenticated", "insert on table public.profiles for authenticated"),
        ("update on core.errors to edge_service", "update on table core.errors for edge_service"),
        ("truncate on public.profiles to anon", "truncate on table public.profiles for anon"),
        ("trigger on public.profiles to service_role", "trigger on table public.profiles for service_role"),
        ("execute on function core.touch() to public", "execute on function core.touch() for public"),
        ("usage on schema identity to public", "usage on schema identity for public"),
        ("create on schema public to anon", "create on schema public for anon"),
        (
            "select (name) on public.profiles to anon with grant option",
            "select with grant option (name) on table public.profiles for anon",
        ),
    ],
)
def test_a_wide_grant_is_reported(
    connection: psycopg.Connection[Any], grant: LiteralString, privilege: str
) -> None:
    connection.execute(f"grant {grant}")
    assert too_wide(connection) == [privilege]


def test_public_holds_nothing_but_tables_views_and_functions(connection: psycopg.Connection[Any]) -> None:
    assert found(connection, OTHERS_IN_PUBLIC) == []


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("create sequence public.s", "relation public.s"),
        ("create type public.e as enum ('a')", "type public.e"),
        ("create materialized view public.m as select 1 as a", "relation public.m"),
        ("create extension citext schema public", "extension citext"),
    ],
)
def test_anything_else_in_public_is_reported(
    connection: psycopg.Connection[Any], statement: LiteralString, name: str
) -> None:
    connection.execute(statement)
    assert name in found(connection, OTHERS_IN_PUBLIC)


def test_views_ask_as_the_caller(connection: psycopg.Connection[Any]) -> None:
    assert found(connection, DEFINER_VIEWS) == []
    connection.execute("create view public.asks with (security_invoker = true) as select 1 as a")
    connection.execute("create view public.answers as select 1 as a")
    assert found(connection, DEFINER_VIEWS) == ["public.answers"]


NEW = """
    create table public.new (id bigint generated always as identity, other serial);
    create view public.new_view as select 1 as a;
    create function public.new() returns int language sql return 1;
    create function core.new() returns int language sql return 1;
"""


def test_what_a_migration_creates_is_reachable_by_nobody(connection: psycopg.Connection[Any]) -> None:
    before = read(connection).privileges
    connection.execute(NEW)
    assert read(connection).privileges == before


def test_a_host_that_grants_on_its_own_is_noticed(connection: psycopg.Connection[Any]) -> None:
    """What the test above would see without the first migration."""
    connection.execute("alter default privileges in schema public grant all on tables to anon")
    connection.execute("alter default privileges in schema public grant all on sequences to anon")
    connection.execute("alter default privileges grant execute on functions to public")
    before = read(connection).privileges
    connection.execute(NEW)
    opened = {str(privilege) for privilege in read(connection).privileges} - {
        str(privilege) for privilege in before
    }
    assert {
        "select on table public.new for anon",
        "select on table public.new_view for anon",
        "usage on sequence public.new_other_seq for anon",
        "execute on function public.new() for public",
        "execute on function core.new() for public",
    } <= opened
