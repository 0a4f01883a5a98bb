"""The SQL of a domain uses only its own domain and earlier ones; each room is furnished by its own domain."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from pglast import ast
from pglast.parser import scan

from scripts.access.layout import DOMAINS, HOST_SCHEMAS, MIGRATIONS, POLICIES, SCHEMAS, SHARED_SCHEMAS
from scripts.access.migration import read
from scripts.access.policy_rules import load
from scripts.access.sql import name_of, parse


@dataclass(frozen=True)
class Source:
    """SQL that belongs to a domain."""

    name: str
    domain: str
    text: str


def references(text: str, first_line: int = 1) -> Iterator[tuple[int, str, str]]:
    """Line, schema and object of every qualified name, also inside function bodies.

    Read from the tokens, because only they show what plpgsql declares.
    """
    tokens = scan(text)
    words = [text[token.start : token.end + 1] for token in tokens]
    for place, (token, word) in enumerate(zip(tokens, words, strict=True)):
        line = first_line + text.count("\n", 0, token.start)
        if token.name == "SCONST" and word.startswith("$"):
            tag = word.index("$", 1) + 1
            yield from references(word[tag:-tag], line)
        elif word in SCHEMAS and words[place + 1 : place + 2] == ["."] and words[place - 1] != ".":
            yield line, word, words[place + 2]


def creations(source: Source) -> Iterator[tuple[int, str]]:
    """Line and qualified name of whatever the source creates."""
    for statement in parse(source.text, source.name):
        match statement.node:
            case (
                ast.CreateStmt(relation=name) | ast.ViewStmt(view=name) | ast.CompositeTypeStmt(typevar=name)
            ):
                yield statement.line, name_of(name)
            case ast.CreateFunctionStmt(funcname=name) | ast.CreateEnumStmt(typeName=name):
                yield statement.line, name_of(name)
            case ast.CreateDomainStmt(domainname=name):
                yield statement.line, name_of(name)


def violations(sources: Iterable[Source]) -> list[str]:
    """Every name that a source may not use or create, as `file:line: reason`."""
    sources = list(sources)
    created = {name: source.domain for source in sources for _, name in creations(source)}
    found = []
    for source in sources:
        for line, name in creations(source):
            if name.partition(".")[0] not in (source.domain, *SHARED_SCHEMAS):
                found.append(f"{source.name}:{line}: {source.domain} creates {name} outside its own rooms")
        for line, schema, name in references(source.text):
            owner = created.get(f"{schema}.{name}") if schema in SHARED_SCHEMAS else schema
            if owner is None:
                found.append(f"{source.name}:{line}: nothing creates {schema}.{name}")
            elif DOMAINS.index(owner) > DOMAINS.index(source.domain):
                found.append(f"{source.name}:{line}: {source.domain} uses {schema}.{name} of {owner}")
    return found


def test_domains_use_only_earlier_domains() -> None:
    migrations = [Source(m.path.name, m.domain, m.text) for m in read(MIGRATIONS)]
    policies = [Source(file.path, file.domain, file.text) for file in load(POLICIES).values()]
    assert violations([*migrations, *policies]) == []


def test_migrations_create_no_other_schemas() -> None:
    schemas = [
        str(statement.node.schemaname)
        for migration in read(MIGRATIONS)
        for statement in parse(migration.text, migration.path.name)
        if isinstance(statement.node, ast.CreateSchemaStmt)
    ]
    assert "core" in schemas
    assert set(schemas) <= set(SCHEMAS) - set(HOST_SCHEMAS)


CORE = Source(
    "core.sql",
    "core",
    "create table public.things (id int);\ncreate function edge.look() returns int return 1;\n",
)


@pytest.mark.parametrize(
    "text",
    [
        "select identity.f();",
        "select 1 from audit.log;",
        "create table core.t (a identity.kind);",
        "create trigger t after insert on core.t for each row execute function jobs.f();",
        "create policy p on core.t using (a = any (array(select identity.mine())));",
        "create function core.f() returns int language sql as $$ select identity.f() $$;",
        "create function core.f() returns int begin atomic select identity.f(); end;",
        "create function core.f() returns int language plpgsql as $$ declare v identity.t; begin end $$;",
        "comment on table identity.t is 'x';",
        "grant execute on function identity.f() to anon;",
        "select public.later();",
        "select public.nowhere();",
    ],
)
def test_a_use_of_a_later_domain_is_reported(text: str) -> None:
    later = Source("identity.sql", "identity", "create function public.later() returns int return 1;")
    found = violations([CORE, later, Source("m.sql", "core", f"\n{text}\n")])
    assert found
    assert all(violation.startswith("m.sql:2: ") for violation in found)


@pytest.mark.parametrize(
    "text",
    [
        "select core.f(), jobs.f(), identity.f(), edge.look() from public.things, auth.users;",
        "create table identity.t (); create table public.t (); create view edge.v as select 1 as a;",
        "comment on table identity.t is 'What billing.orders needs.'; -- billing.orders",
        "select t.audit, t.billing.x from identity.t as t;",
    ],
)
def test_a_use_of_earlier_domains_is_fine(text: str) -> None:
    assert violations([CORE, Source("m.sql", "identity", text)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "create table core.t ();",
        "create view core.v as select 1 as a;",
        "create function core.f() returns int return 1;",
        "create type core.k as enum ('a');",
        "create type core.r as (a int);",
        "create domain core.d as text;",
    ],
)
def test_a_creation_in_another_domains_room_is_reported(text: str) -> None:
    (found,) = violations([Source("m.sql", "identity", text)])
    assert found.startswith("m.sql:1: identity creates core.")
    assert found.endswith(" outside its own rooms")


def test_lines_are_counted_inside_function_bodies_beyond_ascii() -> None:
    text = (
        "-- naïve\ncreate function core.f() returns int as $f$\n-- é\nselect identity.f()\n$f$ language sql;"
    )
    assert list(references(text)) == [(2, "core", "f"), (4, "identity", "f")]
