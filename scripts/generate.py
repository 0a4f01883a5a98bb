"""Write what is generated from a migrated database, or with --check say what is out of date.

contract   supabase/policies/CONTRACT.txt: who may do what
types      supabase/types: the client API for TypeScript and Python
errors     the table in ERRORS.md
"""

import argparse
import sys
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from difflib import unified_diff
from pathlib import Path

import psycopg

from scripts.access.contract import contract
from scripts.access.layout import ROOT
from scripts.artifacts.client_types import python, typescript
from scripts.artifacts.errors_table import MarkersMissingError, errors_table
from scripts.artifacts.temporary import migrated_database
from scripts.stack.errors import StackError

CONTRACT = ROOT / "supabase" / "policies" / "CONTRACT.txt"
TYPES = ROOT / "supabase" / "types"
ERRORS = ROOT / "ERRORS.md"
KINDS = ("contract", "types", "errors")


def generate(database_url: str, kinds: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Each generated file and what it ought to contain."""
    with psycopg.connect(database_url) as connection:
        if "contract" in kinds:
            yield CONTRACT, contract(connection)
        if "errors" in kinds:
            yield ERRORS, errors_table(connection, ERRORS.read_text() if ERRORS.exists() else "")
    if "types" in kinds:
        yield TYPES / "database.types.ts", typescript(database_url)
        yield TYPES / "database_types.py", python(database_url)


def main() -> int:
    """Run the command; returns the exit status."""
    arguments = _arguments()
    database = nullcontext(arguments.database_url) if arguments.database_url else migrated_database()
    handle = _compare if arguments.check else _write
    try:
        with database as database_url:
            outdated = [
                handle(*item)
                for item in generate(database_url, [arguments.kind] if arguments.kind else KINDS)
            ]
    except (StackError, MarkersMissingError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if arguments.check and any(outdated) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", nargs="?", choices=KINDS, help="default: all of them")
    parser.add_argument("--check", action="store_true", help="write nothing; show what differs and fail")
    parser.add_argument("--database-url", help="a migrated database; by default a temporary one is made")
    return parser.parse_args()


def _compare(path: Path, wanted: str) -> bool:
    found = path.read_text() if path.exists() else ""
    name = str(path.relative_to(ROOT))
    diff = unified_diff(
        found.splitlines(), wanted.splitlines(), name, f"{name} as the database is", lineterm=""
    )
    print("\n".join(diff) or f"{name} is up to date")
    return found != wanted


def _write(path: Path, wanted: str) -> bool:
    changed = not path.exists() or path.read_text() != wanted
    if changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted)
    print(f"{path.relative_to(ROOT)} {'written' if changed else 'is up to date'}")
    return changed


if __name__ == "__main__":
    sys.exit(main())
