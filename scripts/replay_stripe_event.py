"""Apply events of Stripe once more. What was applied before changes nothing.

    scripts/replay_stripe_event evt_1 evt_2        events of the inbox, now
    scripts/replay_stripe_event --undone           all that wait, failed or are dead, oldest first
    scripts/replay_stripe_event --file event.json  one that never arrived, as Stripe shows it

As the owner of the database: --database-url, else DATABASE_URL.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, LiteralString

from scripts.console import Connection, act_on_database, add_database_option, show_table

_UNDONE: Final[LiteralString] = """
    select e.id from billing.stripe_events as e
    where e.status in ('received', 'failed', 'dead') order by e.created, e.id
"""
_REPLAY: Final[LiteralString] = "select billing.replay(%(id)s) as status"
_RECEIVE: Final[LiteralString] = "select edge.receive_stripe_event(%(payload)s::jsonb) as status"
_WHY: Final[LiteralString] = "select e.error from billing.stripe_events as e where e.id = %(id)s"

_WELL: Final = frozenset({"applied", "duplicate", "ignored"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 when an event is unknown or could not be applied."""
    return act_on_database(_arguments(arguments), _act)


def _act(connection: Connection, chosen: argparse.Namespace) -> int:
    connection.autocommit = True  # each event is a transaction of its own
    rows: list[dict[str, Any]] = []
    for path in chosen.file:
        try:
            payload = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            print(f"{path} cannot be read: {error}", file=sys.stderr)
            return 1
        (row,) = connection.execute(_RECEIVE, {"payload": payload}).fetchall()
        rows.append({"event": path.name, "status": row["status"], "error": None})
    undone = [row["id"] for row in connection.execute(_UNDONE).fetchall()] if chosen.undone else []
    for event in [*chosen.events, *undone]:
        (row,) = connection.execute(_REPLAY, {"id": event}).fetchall()
        (why,) = connection.execute(_WHY, {"id": event}).fetchall()
        rows.append({"event": event, "status": row["status"], "error": why["error"]})
    show_table(rows)
    return 0 if all(row["status"] in _WELL for row in rows) else 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/replay_stripe_event",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_database_option(parser)
    parser.add_argument("events", nargs="*", metavar="evt_…")
    parser.add_argument("--undone", action="store_true", help="all that are not applied")
    parser.add_argument("--file", type=Path, action="append", default=[], help="an event as JSON")
    chosen = parser.parse_args(arguments)
    if not (chosen.events or chosen.undone or chosen.file):
        parser.error("which events?")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
