"""What the queue holds, and decisions about jobs that did not end well.

    scripts/jobs list --state dead        jobs, newest first
    scripts/jobs show 42                  everything about one
    scripts/jobs retry 42                 a dead or cancelled job starts over, a scheduled one now
    scripts/jobs drop 42 "a duplicate"    it ends for good; the reason is kept
    scripts/jobs run daily_summary        a schedule fires now, beside its slots
    scripts/jobs schedules                when each came last and comes next

As the owner of the database: --database-url, else DATABASE_URL.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg

from scripts.console import act_on_database, add_database_option, show_table

_LIST: Final[LiteralString] = """
    select o.id, o.kind, o.state, o.attempts, o.lost_leases as lost, o.run_at, left(o.reason, 60) as reason
    from jobs.overview as o
    where (%(state)s::text is null or o.state = %(state)s) and (%(kind)s::text is null or o.kind = %(kind)s)
    and o.id < coalesce(%(before)s::bigint, 9223372036854775807)
    order by o.id desc limit %(limit)s
"""
_SHOW: Final[LiteralString] = "select * from jobs.overview where id = %(id)s"
_RETRY: Final[LiteralString] = "select jobs.requeue(%(id)s)"
_DROP: Final[LiteralString] = "select jobs.drop(%(id)s, %(reason)s)"
_RUN: Final[LiteralString] = """
    select jobs.fire_schedule(%(schedule)s, date_trunc('second', now())) as outcome
"""
_SCHEDULES: Final[LiteralString] = """
    select s.name, s.kind, s.cron, s.timezone as zone, s.enabled, s.last_slot, s.next_slot,
    r.status as last_run, exists (select from jobs.late_schedules() as l where l.name = s.name) as late
    from jobs.schedules as s
    left join public.job_runs as r on r.schedule = s.name and r.slot = s.last_slot
    order by s.name
"""

_STATES: Final = ("scheduled", "ready", "running", "dead", "cancelled", "dropped", "done")
_HINTS: Final = {
    "taken": "This second or a later slot was fired already. Wait a moment.",
    "disabled": "Enable it in jobs.schedules first.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 when the decision is refused or there is no such job."""
    return act_on_database(_arguments(arguments), _act)


def _act(connection: psycopg.Connection[dict[str, Any]], chosen: argparse.Namespace) -> int:
    values = vars(chosen)
    match chosen.command:
        case "list":
            show_table(connection.execute(_LIST, values).fetchall())
        case "show":
            rows = connection.execute(_SHOW, values).fetchall()
            if not rows:
                print("There is no such job; done jobs are kept only if their kind says so.", file=sys.stderr)
                return 1
            print(json.dumps(rows[0], indent=2, default=str))
        case "retry":
            connection.execute(_RETRY, values)
            print(f"{chosen.id} waits for a worker")
        case "drop":
            connection.execute(_DROP, values)
            print(f"{chosen.id} is dropped")
        case "run":
            (row,) = connection.execute(_RUN, values).fetchall()
            print(f"{row['outcome']}  {_HINTS.get(row['outcome'], '')}".strip())
            return 0 if row["outcome"] == "fired" else 1
        case "schedules":
            show_table(connection.execute(_SCHEDULES).fetchall())
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/jobs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_database_option(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="jobs, newest first")
    listing.add_argument("--state", choices=_STATES)
    listing.add_argument("--kind")
    listing.add_argument("--before", type=int, help="the last id of the page before")
    listing.add_argument("--limit", type=int, default=50)
    for command, what in (("show", "everything about one"), ("retry", "let it run again")):
        commands.add_parser(command, help=what).add_argument("id", type=int)
    dropping = commands.add_parser("drop", help="end it for good")
    dropping.add_argument("id", type=int)
    dropping.add_argument("reason")
    commands.add_parser("run", help="fire a schedule now").add_argument("schedule")
    commands.add_parser("schedules", help="when each came last and comes next")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
