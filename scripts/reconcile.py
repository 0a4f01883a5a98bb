"""Compare Stripe, database and ledger now, and settle what they do not agree about.

    scripts/reconcile run                   a worker compares everything; --wait for its end
    scripts/reconcile status                the latest comparisons
    scripts/reconcile list                  open discrepancies and what one might do; --all: settled ones too
    scripts/reconcile resolve 7 "refunded"  one is settled; how is kept

As the owner of the database: --database-url, else DATABASE_URL.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final, LiteralString

from scripts.console import Connection, act_on_database, add_database_option, show_table

_RUN: Final[LiteralString] = "select jobs.enqueue('billing.reconcile', unique_key => 'by hand') as job"
_STATUS: Final[LiteralString] = """
    select r.id, r.started_at, r.ended_at, case when r.ended_at is null then r.resource end as comparing,
    r.objects, r.healed
    from billing.reconciliations as r order by r.id desc limit 20
"""
_LIST: Final[LiteralString] = """
    select d.id, d.kind, d.subject, d.reason, d.suggested_action, d.first_seen_at, d.resolution
    from billing.discrepancies as d
    where %(all)s or d.resolved_at is null
    order by d.id desc limit 200
"""
_RESOLVE: Final[LiteralString] = "select billing.resolve_discrepancy(%(id)s, %(how)s) as resolved"
_ENDED_AFTER: Final[LiteralString] = """
    select r.id, r.objects, r.healed,
    (select count(*) from billing.discrepancies as d where d.resolved_at is null) as open
    from billing.reconciliations as r
    where r.ended_at is not null and r.id >= %(first)s order by r.id desc limit 1
"""
_NEXT: Final[LiteralString] = """
    select coalesce(max(r.id) filter (where r.ended_at is null), coalesce(max(r.id), 0) + 1) as id
    from billing.reconciliations as r
"""

_PATIENCE: Final = 10.0
"""Seconds until whoever waits is told what they may be waiting for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 when something is refused, does not end in time, or is not settled."""
    return act_on_database(_arguments(arguments), _act)


def _act(connection: Connection, chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "run":
            return _run(connection, chosen.wait)
        case "status":
            show_table(connection.execute(_STATUS).fetchall())
        case "list":
            show_table(connection.execute(_LIST, {"all": chosen.all}).fetchall())
        case "resolve":
            (answer,) = connection.execute(_RESOLVE, {"id": chosen.id, "how": chosen.how}).fetchall()
            if not answer["resolved"]:
                print("There is no such open discrepancy.", file=sys.stderr)
                return 1
            print(f"{chosen.id} is settled")
    return 0


def _run(connection: Connection, wait: float) -> int:
    """Stage the comparison; 1 if it was waited for and did not end, or left something to settle."""
    connection.autocommit = True
    (first,) = connection.execute(_NEXT).fetchall()
    connection.execute(_RUN)
    if not wait:
        print("a worker begins in a moment: scripts/reconcile status")
        return 0
    begun = time.monotonic()
    deadline, patient = begun + wait, True
    while time.monotonic() < deadline:
        if rows := connection.execute(_ENDED_AFTER, {"first": first["id"]}).fetchall():
            show_table(rows)
            return 1 if rows[0]["open"] else 0
        if patient and time.monotonic() > begun + _PATIENCE:
            print("no end yet: scripts/jobs list says what it waits for", file=sys.stderr)
            patient = False
        time.sleep(0.2)
    print("It goes on. Is a worker running?  scripts/jobs list, scripts/reconcile status", file=sys.stderr)
    return 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/reconcile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_database_option(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="compare everything")
    running.add_argument(
        "--wait", type=float, nargs="?", const=600, default=0, help="seconds, 600 if not said"
    )
    commands.add_parser("status", help="the latest comparisons")
    commands.add_parser("list", help="discrepancies").add_argument("--all", action="store_true")
    resolving = commands.add_parser("resolve", help="settle one")
    resolving.add_argument("id", type=int)
    resolving.add_argument("how")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
