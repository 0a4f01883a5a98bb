"""Whatever is ours says why it is there, and every function says how it behaves."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from pglast import ast

from scripts.access.layout import MIGRATIONS, SCHEMAS
from scripts.access.sql import name_of, parse

UNDOCUMENTED = """
    with ours as (
        select oid, nspname from pg_namespace where nspname = any (%(schemas)s)
    )
    select 'schema ' || nspname from ours where obj_description(oid, 'pg_namespace') is null
    union all
    select 'relation ' || c.oid::regclass from pg_class as c
    inner join ours on c.relnamespace = ours.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and obj_description(c.oid, 'pg_class') is null
    union all
    select 'function ' || p.oid::regprocedure from pg_proc as p
    inner join ours on p.pronamespace = ours.oid
    where obj_description(p.oid, 'pg_proc') is null
    union all
    select 'policy ' || o.polname || ' on ' || o.polrelid::regclass from pg_policy as o
    inner join pg_class as c on o.polrelid = c.oid
    inner join ours on c.relnamespace = ours.oid
    where obj_description(o.oid, 'pg_policy') is null
    order by 1
"""

MISBEHAVING = """
    select p.oid::regprocedure || ': ' || fault from pg_proc as p
    inner join pg_namespace as n on p.pronamespace = n.oid
    cross join lateral (
        values
        (
            'looks names up in a search_path',
            p.prosqlbody is null and not coalesce(p.proconfig, '{}') @> array['search_path=""']
        ),
        (
            'is a definer without saying why',
            p.prosecdef
            and coalesce(obj_description(p.oid, 'pg_proc'), '') !~* '\\mdefiner (because|so that)\\M'
        )
    ) as v (fault, is_so)
    where n.nspname = any (%(schemas)s) and is_so
    order by 1
"""


def found(connection: psycopg.Connection[Any], query: LiteralString) -> list[str]:
    connection.execute("set local search_path = ''")
    return [fault for (fault,) in connection.execute(query, {"schemas": list(SCHEMAS)})]


def unstated_volatility(text: str, origin: str) -> Iterator[str]:
    for statement in parse(text, origin):
        if isinstance(node := statement.node, ast.CreateFunctionStmt) and not node.is_procedure:
            options = {option.defname for option in node.options or ()}
            if "volatility" not in options:
                yield f"{origin}:{statement.line}: {name_of(node.funcname)} states no volatility"


def test_every_schema_table_function_and_policy_has_a_comment(connection: psycopg.Connection[Any]) -> None:
    assert found(connection, UNDOCUMENTED) == []


def test_every_function_is_closed_to_search_paths_and_every_definer_says_why(
    connection: psycopg.Connection[Any],
) -> None:
    assert found(connection, MISBEHAVING) == []


def test_every_function_states_its_volatility() -> None:
    paths = sorted(MIGRATIONS.glob("*.sql"))
    assert [fault for path in paths for fault in unstated_volatility(path.read_text(), path.name)] == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("create schema marketplace", "schema marketplace"),
        ("create table core.t ()", "relation core.t"),
        ("create view core.v as select 1 as a", "relation core.v"),
        ("create function core.f() returns int language sql return 1", "function core.f()"),
        ("create policy select_x on core.errors for select using (true)", "policy select_x on core.errors"),
    ],
)
def test_a_missing_comment_is_reported(
    connection: psycopg.Connection[Any], statement: LiteralString, fault: str
) -> None:
    connection.execute(statement)
    assert fault in found(connection, UNDOCUMENTED)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("", "core.f(): looks names up in a search_path"),
        ("set search_path = public", "core.f(): looks names up in a search_path"),
        ("set search_path = ''", None),
        ("security definer set search_path = ''", "core.f(): is a definer without saying why"),
    ],
)
def test_a_misbehaving_function_is_reported(
    connection: psycopg.Connection[Any], options: LiteralString, fault: str | None
) -> None:
    connection.execute(f"create function core.f() returns int language sql {options} as 'select 1'")
    reported = [report for report in found(connection, MISBEHAVING) if report.startswith("core.f()")]
    assert reported == ([fault] if fault else [])


def test_an_unstated_volatility_is_reported() -> None:
    text = "create function core.f() returns int language sql immutable return 1;\n"
    assert list(unstated_volatility(text, "m.sql")) == []
    assert list(unstated_volatility(text.replace("immutable", ""), "m.sql")) == [
        "m.sql:1: core.f states no volatility"
    ]
