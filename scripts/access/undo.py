"""Taking back what a policy file once said, so that what it says now starts from a closed door."""

from collections.abc import Iterator
from dataclasses import dataclass

from pglast import ast
from pglast.enums import GrantTargetType, ObjectType

from scripts.access.layout import API_ROLES
from scripts.access.policy_file import PolicyFile
from scripts.access.sql import name_of, render, roles_of


@dataclass(frozen=True)
class Permission:
    """What one role may do with one function or schema."""

    privileges: str
    kind: str
    target: str
    exists: str
    """SQL that is null once the target is gone: its revoke would fail, and its grant is gone too."""
    role: str

    @property
    def revoke(self) -> str:
        return f"revoke {self.privileges} on {self.kind} {self.target} from {self.role};"


def undo(old: PolicyFile, table: str, new: PolicyFile | None) -> str:
    """SQL that takes back `old` before `new`; `table` is the present name of its table. May be empty."""
    if not old.is_table:
        kept = set(_permissions(new)) if new else set()
        return _guarded([(p.exists, p.revoke) for p in _permissions(old) if p not in kept])
    drops = "\n".join(f"drop policy if exists {p.policy_name} on {table};" for p in reversed(old.policies))
    if new:  # it revokes everything itself
        return drops
    revoke = _guarded([(f"to_regclass('{table}')", f"revoke all on {table} from {_everyone(old)};")])
    return "\n\n".join(filter(None, [drops, revoke]))


def _everyone(file: PolicyFile) -> str:
    granted = (role for grant in file.grants for role in roles_of(grant.grantees))
    return ", ".join(dict.fromkeys((*API_ROLES, *granted)))


def _permissions(file: PolicyFile) -> Iterator[Permission]:
    for grant in file.grants:
        privileges = ", ".join(sorted(str(p.priv_name) for p in grant.privileges or ())) or "all"
        for target in grant.objects or ():
            kind, name, exists = _target(grant, target)
            for role in roles_of(grant.grantees):
                yield Permission(privileges, kind, name, exists, role)


def _target(grant: ast.GrantStmt, target: ast.Node) -> tuple[str, str, str]:
    if isinstance(target, ast.ObjectWithArgs):
        types = ", ".join(render(argument) for argument in target.objargs or ())
        signature = f"{name_of(target.objname)}({types})"
        return "function", signature, f"to_regprocedure('{signature}')"
    schema = name_of((target,))
    everything = grant.targtype == GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA
    kind = "all functions in schema" if everything and grant.objtype != ObjectType.OBJECT_SCHEMA else "schema"
    return kind, schema, f"to_regnamespace('{schema}')"


def _guarded(revokes: list[tuple[str, str]]) -> str:
    if not revokes:
        return ""
    checks = "\n".join(
        f"    if {exists} is not null then\n        {revoke}\n    end if;" for exists, revoke in revokes
    )
    return f"do $undo$\nbegin\n{checks}\nend\n$undo$;"
