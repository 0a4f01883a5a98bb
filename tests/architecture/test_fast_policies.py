"""A policy is evaluated once per statement and finds its rows by an index; so does a foreign key."""

from typing import Any

import psycopg
import pytest
from pglast import ast

from scripts.access.layout import POLICIES, SCHEMAS
from scripts.access.policy_rules import load
from scripts.access.sql import parse
from tests.architecture.policy_reading import Reading, read_policy

FIRST_COLUMNS = """
    select i.indrelid::regclass::text, a.attname::text
    from pg_index as i
    inner join pg_attribute as a on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
    where i.indisvalid
"""

FOREIGN_KEYS_WITHOUT_INDEX = """
    select c.conrelid::regclass || ': ' || c.conname
    from pg_constraint as c
    inner join pg_namespace as n on c.connamespace = n.oid
    where n.nspname = any (%s) and c.contype = 'f' and c.conparentid = 0
    and not exists (
        select from pg_index as i
        where i.indrelid = c.conrelid and i.indisvalid
        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
    )
    order by 1
"""


def reading(condition: str) -> Reading:
    (statement,) = parse(f"create policy p on public.t for select using ({condition});", "p.sql")
    assert isinstance(statement.node, ast.CreatePolicyStmt)
    return read_policy(statement.node)


def foreign_keys_without_index(connection: psycopg.Connection[Any]) -> list[str]:
    connection.execute("set local search_path = ''")
    return [name for (name,) in connection.execute(FOREIGN_KEYS_WITHOUT_INDEX, [list(SCHEMAS)])]


def test_no_policy_asks_or_calls_for_each_row() -> None:
    policies = [(path, policy) for path, file in load(POLICIES).items() for policy in file.policies]
    assert policies
    assert [f"{path} {fault}" for path, policy in policies for fault in read_policy(policy).faults] == []


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("user_id = auth.uid()", "calls for each row: auth.uid()"),
        ("identity.is_member(organization_id)", "calls for each row: identity.is_member(organization_id)"),
        ("(select identity.is_member(t.id))", "calls for each row: identity.is_member(t.id)"),
        ("id in (select m.id from public.m)", "asks for each row: id IN (SELECT m.id FROM public.m)"),
        ("id = any (select m.id from public.m)", "asks for each row: id = ANY (SELECT m.id FROM public.m)"),
        ("exists (select from public.m)", "asks for each row: EXISTS (SELECT FROM public.m)"),
    ],
)
def test_a_slow_condition_is_reported(condition: str, fault: str) -> None:
    assert reading(condition).faults == [fault]


def test_a_fast_condition_is_read_for_the_columns_that_it_looks_up() -> None:
    fast = reading("""
        deleted_at is null and (
            user_id = (select auth.uid())
            or organization_id = any (array(
                select m.organization_id from public.memberships as m
                where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin')
            ))
            or team_id = any (array(select identity.my_teams()))
        )
    """)
    assert fast.faults == []
    assert fast.lookups == {
        ("public.t", "user_id"),
        ("public.t", "organization_id"),
        ("public.t", "team_id"),
        ("public.memberships", "user_id"),
    }


def test_an_index_stands_behind_every_column_that_a_policy_looks_up(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("set local search_path = ''")
    indexed = set(connection.execute(FIRST_COLUMNS).fetchall())
    lookups = {
        lookup
        for file in load(POLICIES).values()
        for policy in file.policies
        for lookup in read_policy(policy).lookups
    }
    assert lookups - indexed == set()
    assert ("public.profiles", "id") in lookups & indexed
    assert ("public.profiles", "name") not in indexed


def test_an_index_stands_behind_every_foreign_key(connection: psycopg.Connection[Any]) -> None:
    assert foreign_keys_without_index(connection) == []


def test_a_foreign_key_without_index_is_reported(connection: psycopg.Connection[Any]) -> None:
    connection.execute("""
        create table core.parent (a int, b int, primary key (a, b));
        create table core.child (b int, a int, c int);
        alter table core.child add constraint child_fkey foreign key (a, b) references core.parent;
        create index on core.child (a, c, b);
    """)
    assert foreign_keys_without_index(connection) == ["core.child: child_fkey"]
    connection.execute("create index on core.child (b, a, c)")
    assert foreign_keys_without_index(connection) == []
