"""Reading a policy's condition for what decides its speed."""

from dataclasses import dataclass, field
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, SubLinkType
from pglast.visitors import Ancestor, Visitor

from scripts.access.sql import name_of, render

ONCE = frozenset({SubLinkType.EXPR_SUBLINK, SubLinkType.ARRAY_SUBLINK})


@dataclass
class Reading(Visitor):
    """Visit the condition of a policy on `table` to fill the rest."""

    table: str
    faults: list[str] = field(default_factory=list)
    """What would be evaluated for each row."""
    lookups: set[tuple[str, str]] = field(default_factory=set)
    """Tables and columns by which rows are found."""

    def visit_SubLink(self, _: Ancestor, node: ast.SubLink) -> None:
        if node.subLinkType not in ONCE:
            self.faults.append(f"asks for each row: {render(node)}")

    def visit_FuncCall(self, ancestors: Ancestor, node: ast.FuncCall) -> None:
        if len(node.funcname or ()) > 1 and (ast.SubLink not in ancestors or _mentions_a_column(node)):
            self.faults.append(f"calls for each row: {render(node)}")

    def visit_A_Expr(self, ancestors: Ancestor, node: ast.A_Expr) -> None:
        equals = node.kind in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY) and name_of(node.name) == "="
        if (
            equals
            and isinstance(node.lexpr, ast.ColumnRef)
            and isinstance(node.rexpr, ast.SubLink | ast.FuncCall)
        ):
            self.lookups.add(self._resolve(ancestors, node.lexpr))

    def _resolve(self, ancestors: Ancestor, column: ast.ColumnRef) -> tuple[str, str]:
        *qualifier, name = (str(part.sval) for part in column.fields or ())
        select = ancestors.find_nearest(ast.SelectStmt)
        for relation in (select.node.fromClause or ()) if select else ():
            if isinstance(relation, ast.RangeVar) and qualifier in ([], [_alias(relation)]):
                return name_of(relation), name
        return self.table, name


def _alias(relation: ast.RangeVar) -> str:
    return str(relation.alias.aliasname if relation.alias else relation.relname)


def _mentions_a_column(node: ast.Node) -> bool:
    found: list[Any] = []

    class Columns(Visitor):
        def visit_ColumnRef(self, _: Ancestor, column: ast.ColumnRef) -> None:
            found.append(column)

    Columns()(node)
    return bool(found)


def read_policy(policy: ast.CreatePolicyStmt) -> Reading:
    """What the rows that the policy shows cost; what is written is checked row by row anyway."""
    reading = Reading(name_of(policy.table))
    if policy.qual:
        reading(policy.qual)
    return reading
