"""Access as state: stamp changed policy files into migrations, and check that nothing drifted.

stamp            write the migrations that deploy what changed in supabase/policies
stamp --amend    rewrite the newest stamped migrations instead (never deployed ones)
check            are the migrations up to date, unedited, and free of policies and grants?
check --database-url URL
                 and does that database's access come from policy files alone?
"""

import argparse
import sys
from pathlib import Path

import psycopg

from scripts.access.check import check_database, check_files
from scripts.access.layout import MIGRATIONS, POLICIES
from scripts.access.sql import SqlError
from scripts.access.stamp import stamp


def main() -> int:
    """Run one command; returns the exit status."""
    arguments = _arguments()
    try:
        if arguments.command == "stamp":
            return _stamp(arguments.policies, arguments.migrations, amend=arguments.amend)
        return _check(arguments.policies, arguments.migrations, arguments.database_url)
    except (SqlError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/policies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policies", type=Path, default=POLICIES, help=argparse.SUPPRESS)
    parser.add_argument("--migrations", type=Path, default=MIGRATIONS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    stamping = commands.add_parser("stamp", help="write migrations for changed policy files")
    stamping.add_argument(
        "--amend", action="store_true", help="rewrite the newest stamped migrations in place"
    )
    checking = commands.add_parser(
        "check", help="compare policy files, migrations and, with a URL, a database"
    )
    checking.add_argument(
        "--database-url", help="a migrated database, as its owner; takes locks, changes nothing"
    )
    return parser.parse_args()


def _stamp(policies: Path, migrations: Path, *, amend: bool) -> int:
    written = stamp(policies, migrations, amend=amend)
    print("\n".join(f"stamped {path.name}" for path in written) or "nothing to stamp")
    return 0


def _check(policies: Path, migrations: Path, database_url: str | None) -> int:
    problems = check_files(policies, migrations)
    if database_url:
        print("checking the database in a transaction that is rolled back; its tables are locked meanwhile")
        problems += check_database(policies, database_url)
    print("\n".join(problems) or "access is what supabase/policies says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
