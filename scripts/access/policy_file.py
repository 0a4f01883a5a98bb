"""One file of supabase/policies and what it says."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pglast import ast
from pglast.enums import GrantTargetType, ObjectType

from scripts.access.layout import DOMAINS
from scripts.access.sql import Statement, comment_target, name_of, parse


@dataclass(frozen=True)
class PolicyFile:
    """A table's access story, or a domain's `functions.sql` or `schemas.sql`."""

    path: str
    """Relative to supabase/policies: `<domain>/<table>.sql`."""
    text: str

    @property
    def domain(self) -> str:
        return self.path.partition("/")[0]

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @property
    def is_table(self) -> bool:
        return self.stem not in {"schemas", "functions"}

    @property
    def rank(self) -> tuple[int, int, str]:
        """Where the file stands in the order of application."""
        place = {"schemas": 0, "functions": 2}.get(self.stem, 1)
        return (DOMAINS.index(self.domain), place, self.stem)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        return parse(self.text, self.path)

    @property
    def subject(self) -> str:
        """The table the file is about, whatever the file is called; else its path."""
        if not self.is_table:
            return self.path
        return next(filter(None, (table_of(s.node) for s in self.statements)), self.path)

    @property
    def policies(self) -> tuple[ast.CreatePolicyStmt, ...]:
        return tuple(s.node for s in self.statements if isinstance(s.node, ast.CreatePolicyStmt))

    @property
    def grants(self) -> tuple[ast.GrantStmt, ...]:
        return tuple(s.node for s in self.statements if isinstance(s.node, ast.GrantStmt) and s.node.is_grant)


def table_of(node: ast.Node) -> str | None:
    """The one table that a statement of a table's file is about."""
    match node:
        case ast.GrantStmt(objtype=ObjectType.OBJECT_TABLE, targtype=GrantTargetType.ACL_TARGET_OBJECT):
            names = {name_of(relation) for relation in node.objects or ()}
            return names.pop() if len(names) == 1 else None
        case ast.AlterTableStmt():
            return name_of(node.relation)
        case ast.CreatePolicyStmt():
            return name_of(node.table)
        case ast.CommentStmt(objtype=ObjectType.OBJECT_POLICY):
            return name_of(comment_target(node)[:-1])
    return None
