"""Finding policies and client grants that stand outside supabase/policies."""

from collections.abc import Iterator
from pathlib import Path

from pglast import ast
from pglast.enums import AlterTableType, ObjectType

from scripts.access.layout import CLIENT_ROLES
from scripts.access.sql import Statement, parse, roles_of

_RLS = frozenset(
    {
        AlterTableType.AT_EnableRowSecurity,
        AlterTableType.AT_DisableRowSecurity,
        AlterTableType.AT_ForceRowSecurity,
        AlterTableType.AT_NoForceRowSecurity,
    }
)


def strays(text: str, origin: str) -> Iterator[str]:
    """Statements of `text` that belong into a policy file, each as `origin:line: reason`.

    Default privileges and role memberships are no grants on objects and stay in migrations.
    """
    for statement in parse(text, origin):
        if reason := _reason(statement):
            yield f"{origin}:{statement.line}: {reason} belongs into supabase/policies"


def strays_in(paths: list[Path]) -> Iterator[str]:
    """`strays` of every file."""
    for path in paths:
        yield from strays(path.read_text(), path.name)


def _reason(statement: Statement) -> str | None:
    match statement.node:
        case ast.CreatePolicyStmt() | ast.AlterPolicyStmt() as policy:
            return f"policy {policy.policy_name}"
        case ast.DropStmt(removeType=ObjectType.OBJECT_POLICY):
            return "drop policy"
        case ast.GrantStmt() as grant if not set(roles_of(grant.grantees)).isdisjoint(CLIENT_ROLES):
            return "a client's grant or revoke"
        case ast.AlterTableStmt() as change if any(command.subtype in _RLS for command in change.cmds or ()):
            return "row level security"
    return None
