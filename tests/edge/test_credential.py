"""What a thief of the edge's credential can do: call the functions of schema edge, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.acting import World


@pytest.fixture
def thief(edge_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(edge_database_url, autocommit=True) as connection:
        yield connection


def test_no_table_of_any_schema_can_be_read_or_written(thief: psycopg.Connection, world: World) -> None:
    relations = world.as_dba(
        "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'v', 'm', 'f')"
        " and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
    )
    schemas = {relation["nspname"] for relation in relations}
    assert {"auth", "core", "identity", "public", "storage", "supabase_migrations"} <= schemas
    for relation in relations:
        name = sql.Identifier(relation["nspname"], relation["relname"])
        for statement in ("select from {}", "insert into {} default values", "delete from {}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                thief.execute(sql.SQL(statement).format(name))


def test_the_only_other_roles_are_those_of_visitors_and_users(
    thief: psycopg.Connection, world: World
) -> None:
    possible = set()
    roles = {row["rolname"] for row in world.as_dba("select rolname from pg_roles")}
    assert {"service_role", "postgres", "supabase_admin", "supabase_auth_admin"} <= roles
    for role in roles:
        try:
            thief.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        except psycopg.errors.InsufficientPrivilege:
            continue
        possible.add(role)
        thief.execute("reset role")
    assert possible == {"edge_service", "authenticated", "anon"}


def test_only_functions_of_schema_edge_can_be_called(world: World) -> None:
    callable_schemas = world.as_dba(
        "select distinct n.nspname from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace"
        " where n.nspname not in ('pg_catalog', 'information_schema')"
        " and has_schema_privilege('edge_service', n.oid, 'usage')"
        " and has_function_privilege('edge_service', p.oid, 'execute')"
    )
    assert [row["nspname"] for row in callable_schemas] == ["edge"]


def test_it_owns_nothing_and_bypasses_nothing(thief: psycopg.Connection, world: World) -> None:
    (role,) = world.as_dba(
        "select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " from pg_roles where rolname = 'edge_service'"
    )
    assert not any(role.values())
    assert not world.as_dba(
        "select classid, objid from pg_shdepend where refobjid = 'edge_service'::regrole and deptype = 'o'"
    )
    for schema in ("public", "edge"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            thief.execute(sql.SQL("create table {}.loot (id integer)").format(sql.Identifier(schema)))


def test_acting_as_a_user_without_claims_shows_no_row(thief: psycopg.Connection, world: World) -> None:
    world.person("ada")
    thief.execute("set role authenticated")
    assert thief.execute("select id from public.profiles").fetchall() == []
