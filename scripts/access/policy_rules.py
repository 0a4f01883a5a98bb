"""What a policy file may hold, and in which order: the rules that `stamp` and `check` enforce."""

import re
from collections.abc import Iterator
from pathlib import Path

from pglast import ast
from pglast.enums import AlterTableType, ObjectType

from scripts.access.layout import API_ROLES, CLIENT_ROLES, DOMAINS, SHARED_SCHEMAS
from scripts.access.policy_file import PolicyFile, table_of
from scripts.access.sql import SqlError, comment_target, name_of, render, roles_of

VERBS = ("select", "insert", "update", "delete")
BY_COLUMN = frozenset({"insert", "update"})
FUNCTIONS = frozenset({ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE, ObjectType.OBJECT_ROUTINE})
RLS_STEPS = {
    AlterTableType.AT_EnableRowSecurity: "enable row level security",
    AlterTableType.AT_ForceRowSecurity: "force row level security",
}
ORDER = ("revoke", *RLS_STEPS.values(), *(f"{verb} policy" for verb in VERBS), "grant")

Problem = tuple[int, str]


def load(directory: Path) -> dict[str, PolicyFile]:
    """The policy files below `directory` in order of application; a SqlError names all that is wrong."""
    if not directory.is_dir():  # no file would mean: take everything back
        raise SqlError(f"{directory}: no such directory")
    paths = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.sql"))
    misplaced = [path for path in paths if path.count("/") != 1 or path.partition("/")[0] not in DOMAINS]
    if misplaced:
        raise SqlError("\n".join(f"{path}:1: expected <domain>/<table>.sql" for path in misplaced))
    files = [PolicyFile(path, (directory / path).read_text()) for path in paths]
    files.sort(key=lambda file: file.rank)
    problems = [problem for file in files for problem in problems_of(file)]
    if problems:
        raise SqlError("\n".join(problems))
    return {file.path: file for file in files}


def problems_of(file: PolicyFile) -> Iterator[str]:
    """What is wrong with the file, each as `path:line: reason`."""
    if not file.text.endswith("\n"):
        yield f"{file.path}:1: does not end with a line break"
    try:
        found = _table_problems(file) if file.is_table else _grant_problems(file)
        yield from (f"{file.path}:{line}: {reason}" for line, reason in found)
    except SqlError as error:
        yield str(error)


def _steps(node: ast.Node) -> list[str]:
    """Which steps of the fixed order a statement takes; none for a statement that does not belong."""
    match node:
        case ast.GrantStmt(objtype=ObjectType.OBJECT_TABLE):
            return ["grant" if node.is_grant else "revoke"]
        case ast.AlterTableStmt():
            kinds = [command.subtype for command in node.cmds or ()]
            return [RLS_STEPS[kind] for kind in kinds] if set(kinds) <= RLS_STEPS.keys() else []
        case ast.CreatePolicyStmt():
            return [f"{node.cmd_name} policy"]
    return []


def _table_problems(file: PolicyFile) -> Iterator[Problem]:
    yield from _strangers(file)
    yield from _disorder(file)
    yield from _uncommented(file)
    yield from _unrevoked(file)
    for statement in file.statements:
        yield from ((statement.line, reason) for reason in _statement_problems(statement.node))


def _strangers(file: PolicyFile) -> Iterator[Problem]:
    own = [f"{schema}.{file.stem}" for schema in (file.domain, "public")]
    for statement in file.statements:
        if table_of(statement.node) not in own or table_of(statement.node) != file.subject:
            yield (
                statement.line,
                f"not about this file's table ({' or '.join(own)}): {render(statement.node)}",
            )


def _disorder(file: PolicyFile) -> Iterator[Problem]:
    reached = 0
    taken: set[str] = set()
    for statement in file.statements:
        if isinstance(statement.node, ast.CommentStmt):
            continue
        steps = _steps(statement.node)
        if not steps or not set(steps) <= set(ORDER):
            yield (
                statement.line,
                f"a table's file holds nothing but {', '.join(ORDER)}: {render(statement.node)}",
            )
        elif ORDER.index(steps[0]) < reached:
            yield statement.line, f"{steps[0]} comes too late: the order is {', '.join(ORDER)}"
        else:
            reached = ORDER.index(steps[-1])
            taken.update(steps)
    yield from ((_last_line(file), f"missing: {step}") for step in ORDER[:3] if step not in taken)


def _uncommented(file: PolicyFile) -> Iterator[Problem]:
    nodes = [statement.node for statement in file.statements]
    for statement, following in zip(file.statements, [*nodes[1:], None], strict=True):
        policy = statement.node
        if isinstance(policy, ast.CreatePolicyStmt) and not (
            isinstance(following, ast.CommentStmt)
            and name_of(comment_target(following)[-1:]) == policy.policy_name
        ):
            yield statement.line, f"policy {policy.policy_name} is not followed by its comment"


def _last_line(file: PolicyFile) -> int:
    return file.statements[-1].line if file.statements else 1


def _unrevoked(file: PolicyFile) -> Iterator[Problem]:
    revoked = {
        role
        for statement in file.statements
        if isinstance(node := statement.node, ast.GrantStmt) and not node.is_grant and not node.privileges
        for role in roles_of(node.grantees)
    }
    expected = [*API_ROLES, *(role for grant in file.grants for role in roles_of(grant.grantees))]
    missing = [role for role in dict.fromkeys(expected) if role not in revoked]
    if missing:
        yield _last_line(file), f"`revoke all` does not name {', '.join(missing)}"


def _statement_problems(node: ast.Node) -> Iterator[str]:
    match node:
        case ast.CreatePolicyStmt():
            if not re.fullmatch(rf"{node.cmd_name}_[a-z][a-z0-9_]*", str(node.policy_name)):
                yield f"policy {node.policy_name} is not named {node.cmd_name}_<who>"
            if "public" in roles_of(node.roles):
                yield f"policy {node.policy_name} does not say `to` whom"
        case ast.GrantStmt(is_grant=True):
            wide = [p.priv_name for p in node.privileges or () if p.priv_name in BY_COLUMN and not p.cols]
            if wide or not node.privileges:
                yield f"{' and '.join(wide) or 'all'} granted on the whole table: name the columns"
    yield from _unknown_roles(node)


def _unknown_roles(node: ast.Node) -> Iterator[str]:
    if isinstance(node, ast.GrantStmt):
        unknown = [role for role in roles_of(node.grantees) if role not in CLIENT_ROLES]
        if unknown:
            yield f"not a client role: {', '.join(unknown)}"


def _grant_problems(file: PolicyFile) -> Iterator[Problem]:
    """functions.sql and schemas.sql hold grants and revokes of the kind they are named after."""
    for statement in file.statements:
        node, line = statement.node, statement.line
        kinds = FUNCTIONS if file.stem == "functions" else {ObjectType.OBJECT_SCHEMA}
        if not isinstance(node, ast.GrantStmt) or node.objtype not in kinds:
            yield line, f"{file.stem}.sql holds only grant and revoke on {file.stem}: {render(node)}"
            continue
        rooms = (*SHARED_SCHEMAS, file.domain)
        foreign = [name for name in _function_names(node) if name.partition(".")[0] not in rooms]
        if file.stem == "functions" and foreign:
            yield line, f"belongs to another domain: {', '.join(foreign)}"
        yield from ((line, reason) for reason in _unknown_roles(node))


def _function_names(node: ast.GrantStmt) -> list[str]:
    objects = node.objects or ()
    return [name_of(o.objname) if isinstance(o, ast.ObjectWithArgs) else str(o.sval) for o in objects]
