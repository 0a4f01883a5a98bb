"""Small readings of parsed SQL that several tools share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pglast import ast, enums
from pglast.parser import ParseError, parse_sql
from pglast.stream import RawStream


class SqlError(Exception):
    """SQL that does not parse, or that says what it may not say; the message starts with file:line."""


@dataclass(frozen=True)
class Statement:
    """One parsed statement and the line it starts on (from 1)."""

    node: ast.Node
    line: int


def parse(text: str, origin: str) -> tuple[Statement, ...]:
    """Parse `text`; `origin` is the file's name in the error."""
    try:
        parsed = parse_sql(text)
    except ParseError as error:
        message, position = error.args if len(error.args) == 2 else (*error.args, 0)
        raise SqlError(f"{origin}:{_line(text, int(position or 0))}: {message}") from None
    return tuple(Statement(raw.stmt, _line(text, raw.stmt_location or 0)) for raw in parsed if raw.stmt)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def render(node: ast.Node) -> str:
    """Write one node as a single line of SQL."""
    return str(RawStream()(node)).strip()


def name_of(parts: Iterable[ast.Node] | ast.RangeVar | None) -> str:
    """Qualified name of a relation, or of a list of name parts."""
    if isinstance(parts, ast.RangeVar):
        return f"{parts.schemaname}.{parts.relname}" if parts.schemaname else str(parts.relname)
    return ".".join(str(part.sval) for part in parts or () if isinstance(part, ast.String))


def comment_target(comment: ast.CommentStmt) -> tuple[ast.Node, ...]:
    """The name parts that a comment is on; a policy's own name stands last."""
    return comment.object if isinstance(comment.object, tuple) else ()


def roles_of(specs: Iterable[ast.RoleSpec] | None) -> Iterator[str]:
    """Names of the roles; everyone is `public`."""
    for spec in specs or ():
        everyone = spec.roletype == enums.RoleSpecType.ROLESPEC_PUBLIC
        yield "public" if everyone else str(spec.rolename)
