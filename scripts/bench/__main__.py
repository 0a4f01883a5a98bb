"""Benchmarks: what a promise costs, as a ratio to doing without it in the same run.

Only ratios travel between machines. Each group has a module with `cases(server, options)`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.bench import ai, audit, ledger, metering, queue, summary, webhook
from scripts.bench.measure import measure
from scripts.bench.options import Options
from scripts.bench.report import conditions, save, table
from scripts.bench.server import server
from scripts.stack.settings import ROOT

GROUPS = {
    "ai": ai,
    "audit": audit,
    "ledger": ledger,
    "metering": metering,
    "queue": queue,
    "summary": summary,
    "webhook": webhook,
}


def main() -> int:
    """Run the groups that were asked for; returns the exit status."""
    groups, options = _arguments()
    with server() as database:
        described = conditions(options, database.settings())
        for part, value in described.items():
            print(f"{part}: {value}")
        for group in groups:
            with GROUPS[group].cases(database, options) as cases:
                results = list(measure(cases, options.rounds))
            path = save(group, described, results, ROOT / ".local" / "bench")
            print(f"\n{group}\n{table(results)}\n{path.relative_to(ROOT)}")
    return 0


def _arguments() -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(
        prog="scripts.bench",
        description=__doc__,
        epilog="\n".join(f"{name}: {group.__doc__}" for name, group in GROUPS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("groups", nargs="*", metavar="group", help=f"default: all ({', '.join(GROUPS)})")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--operations", type=int, default=300, help="per client and round")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=20000, help="in each table before it starts")
    parser.add_argument(
        "--peer",
        type=Path,
        metavar="FILE",
        help="SQL of another implementation, for the one group that runs; what it defines is said below",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(unknown)}")
    options = Options(
        arguments.rounds, arguments.operations, arguments.clients, arguments.rows, arguments.peer
    )
    return arguments.groups or list(GROUPS), options


if __name__ == "__main__":
    sys.exit(main())
