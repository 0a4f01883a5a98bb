"""The commands behind make: up, down, status, logs, reset."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

import psycopg

from scripts.stack import interrupts
from scripts.stack.errors import StackError
from scripts.stack.logs import follow, tail
from scripts.stack.report import Report
from scripts.stack.settings import Settings
from scripts.stack.stack import ALL_PARTS, Stack

INTERRUPTED = 130


def main() -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    report = Report()
    interrupts.install()
    try:
        settings = Settings.from_env(os.environ)
        return _run(arguments, Stack(settings, report), report)
    except interrupts.Interrupted:
        report.failure("Interrupted. Nothing that this command started is left running.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (StackError, OSError, psycopg.Error) as error:
        report.failure(_explain(error))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything, or these parts; what runs already is kept")
    up.add_argument("parts", nargs="*", metavar="part", help=", ".join(ALL_PARTS))
    commands.add_parser("down", help="stop everything; data stays")
    commands.add_parser("reset", help="drop all data and start afresh")
    commands.add_parser("status", help="which parts run; exit status 1 unless all do")
    logs = commands.add_parser("logs", help="the last lines of every log, or of one part's")
    logs.add_argument("part", nargs="?", choices=ALL_PARTS)
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines are written")
    logs.add_argument("-n", "--lines", type=int, default=50, help="how many of the last lines (50)")
    return parser


def _run(arguments: argparse.Namespace, stack: Stack, report: Report) -> int:
    match arguments.command:
        case "up":
            stack.up(_known(arguments.parts) or ALL_PARTS)
            report.overview(stack.env, stack.settings)
        case "reset":
            stack.reset()
            report.overview(stack.env, stack.settings)
        case "down":
            report.line("Stopped; data is kept." if stack.down() else "Nothing was running.")
        case "status":
            statuses = stack.status()
            report.status(statuses)
            return 0 if all(status.healthy for status in statuses) else 1
        case "logs":
            _show_logs(arguments, stack)
    return 0


def _known(parts: list[str]) -> list[str]:
    if unknown := set(parts) - set(ALL_PARTS):
        raise StackError(
            f"There is no part {', '.join(sorted(unknown))}. The parts are {', '.join(ALL_PARTS)}."
        )
    return parts


def _show_logs(arguments: argparse.Namespace, stack: Stack) -> None:
    names = [arguments.part] if arguments.part else ALL_PARTS
    paths = [stack.settings.logs / f"{name}.log" for name in names]
    width = max(map(len, names))
    if arguments.follow:
        with suppress(interrupts.Interrupted):
            for path, line in follow(paths, arguments.lines):
                print(f"{path.stem:<{width}}  {line}", flush=True)
        return
    for path in paths:
        for line in tail(path, arguments.lines):
            print(f"{path.stem:<{width}}  {line}")


def _explain(error: StackError | OSError | psycopg.Error) -> str:
    text = str(error)
    if isinstance(error, psycopg.Error):
        text = f"The database refused: {text}\n`make logs PART=postgres` shows its log."
    elif isinstance(error, OSError):
        text = f"The system refused: {text}."
    if os.strerror(errno.ENOSPC) in text:
        text += "\nThe disk is full. Free some space, then run the command again."
    return text
