"""A run as a table for people and as JSON for whoever compares runs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from scripts.bench.measure import Result
from scripts.bench.options import Options

HEADINGS = ("case", "variant", "median", "spread", "unit", "ratio")


def conditions(options: Options, settings: dict[str, str]) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores,"
        f" {psutil.virtual_memory().total // 1024**2} MB, load {os.getloadavg()[0]:.1f}",
        "options": asdict(options) | {"peer": options.peer and options.peer.name},
        "postgres": settings,
    }


def table(results: Iterable[Result]) -> str:
    rows = [HEADINGS]
    rows += [
        (r.case, r.variant, f"{r.median:,.0f}", f"±{r.spread:.0%}", r.unit, f"{r.ratio:.2f}") for r in results
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def save(group: str, described: dict[str, Any], results: Iterable[Result], directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{group}.json"
    content = {
        **described,
        "results": [asdict(r) | {"median": r.median, "spread": r.spread} for r in results],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path
