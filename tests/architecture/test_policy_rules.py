"""A policy file reads in fixed order, and what it may not hold is named by file and line."""

import pytest

from scripts.access.policy_file import PolicyFile
from scripts.access.policy_rules import problems_of

TABLE = """\
revoke all on table public.notes from anon, authenticated, service_role, edge_service;

alter table public.notes enable row level security;
alter table public.notes force row level security;

create policy select_own on public.notes for select to authenticated using (user_id = (select auth.uid()));
comment on policy select_own on public.notes is 'People see their notes.';

create policy delete_own on public.notes for delete to authenticated using (user_id = (select auth.uid()));
comment on policy delete_own on public.notes is 'People delete their notes.';

grant select, delete, insert (body) on table public.notes to authenticated;
"""


def problems(text: str, path: str = "core/notes.sql") -> list[str]:
    return list(problems_of(PolicyFile(path, text)))


def test_a_complete_story_is_accepted() -> None:
    assert problems(TABLE) == []


NOBODY = "anon, authenticated, service_role, edge_service"
COMMENT = "comment on policy select_own on public.notes is 'People see their notes.';"
GRANT = "grant select, delete, insert (body) on table public.notes"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "reason"),
    [
        ("revoke all", "revoke select", 12, f"`revoke all` does not name {NOBODY}"),
        (", edge_service", "", 12, "`revoke all` does not name edge_service"),
        (
            "to authenticated;",
            "to supabase_auth_admin;",
            12,
            "`revoke all` does not name supabase_auth_admin",
        ),
        ("to authenticated;", "to bob;", 12, "not a client role: bob"),
        ("force row", "enable row", 12, "missing: force row level security"),
        ("select_own on", '"See all" on', 6, "policy See all is not named select_<who>"),
        ("for select to", "for update to", 6, "policy select_own is not named update_<who>"),
        ("for select to", "for all to", 6, "a table's file holds nothing but"),
        ("for select to authenticated", "for select", 6, "policy select_own does not say `to` whom"),
        ("select_own on public.notes is", "x on public.notes is", 6, "policy select_own is not followed by"),
        (COMMENT, "", 6, "policy select_own is not followed by its comment"),
        ("insert (body)", "insert", 12, "insert granted on the whole table: name the columns"),
        (GRANT, "grant all on table public.notes", 12, "all granted on the whole table"),
        (GRANT, f"revoke all on public.notes from anon;\n{GRANT}", 12, "revoke comes too late: the order is"),
        (GRANT, "grant select on table public.other", 12, "not about this file's table"),
        ("delete_own on public.notes", "delete_own on public.x", 9, "not about this file's table"),
        ("grant select, delete", "grant select, delte x", 12, "syntax error"),
        (GRANT, f"create table public.notes ();\n{GRANT}", 12, "not about this file's table"),
        ("to authenticated;\n", "to authenticated;", 1, "does not end with a line break"),
    ],
)
def test_a_broken_rule_is_named(right: str, wrong: str, line: int, reason: str) -> None:
    assert right in TABLE
    found = problems(TABLE.replace(right, wrong))
    assert any(problem.startswith(f"core/notes.sql:{line}: {reason}") for problem in found), found


def test_policies_stand_in_the_order_of_their_verbs() -> None:
    lines = TABLE.splitlines(keepends=True)
    swapped = "".join([*lines[:5], *lines[8:10], *lines[5:7], *lines[11:]])
    assert problems(swapped)[0].startswith("core/notes.sql:8: select policy comes too late")


@pytest.mark.parametrize(
    ("path", "text", "accepted"),
    [
        (
            "core/functions.sql",
            "grant execute on function public.f(text), core.g() to authenticated;\n",
            True,
        ),
        ("core/functions.sql", "revoke all on all functions in schema core from anon;\n", True),
        ("core/functions.sql", "grant execute on function jobs.f() to authenticated;\n", False),
        ("core/functions.sql", "grant usage on schema core to authenticated;\n", False),
        ("core/functions.sql", "grant execute on function core.f() to bob;\n", False),
        ("core/schemas.sql", "grant usage on schema core, jobs to authenticated;\n", True),
        ("core/schemas.sql", "grant anon to edge_service;\n", False),
        ("core/schemas.sql", "grant select on core.errors to anon;\n", False),
    ],
)
def test_functions_and_schemas_hold_grants_of_their_kind(path: str, text: str, accepted: bool) -> None:
    assert (problems(text, path) == []) is accepted
