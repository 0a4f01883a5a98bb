"""The real Supabase CLI, silenced: no telemetry, no search for updates."""

from __future__ import annotations

from pathlib import Path

from scripts.stack.processes import run
from scripts.stack.settings import ROOT
from scripts.stack.toolchain import node

SCRIPT = "node_modules/supabase/dist/supabase.js"
HOME = ROOT / "node_modules" / ".cache" / "supabase"
ENV = {"SUPABASE_HOME": str(HOME), "SUPABASE_NO_UPDATE_NOTIFIER": "1", "PGSSLMODE": "disable"}


def supabase(*arguments: str, project: Path = ROOT) -> str:
    """Run the CLI on the `supabase` directory of this project; raises `ToolError` if it fails."""
    if not (HOME / "telemetry.json").exists():
        run(node(SCRIPT, "telemetry", "disable"), env=ENV)
    return run(node(SCRIPT, *arguments, f"--workdir={project}"), env=ENV)
