"""PgBouncer: no part of the stack, but what hosts put between services and Postgres, so tests do too.

No registry that the environment comes from has it. The one of this machine is used; else, where Debian's
packages can be reached, the package is unpacked beside the environment, which takes no root.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack.errors import StackError
from scripts.stack.processes import run
from scripts.stack.settings import ROOT

TOOLS = ROOT / ".local-tools"
NAME = "pgbouncer"
_SBIN = "/usr/sbin"  # where Debian puts it, which is not on the PATH of everybody


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer that can be started."""

    executable: str
    env: dict[str, str] = field(default_factory=dict)


def find_pooler(tools: Path = TOOLS) -> Pooler:
    """The PgBouncer of this machine, or one fetched for this checkout; StackError says why there is none."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), _SBIN])
    if installed := shutil.which(NAME, path=search):
        return Pooler(installed)
    home = tools / NAME
    if not home.exists():
        _fetch(home)
    libraries = sorted({str(path.parent) for path in home.rglob("lib*.so*")})
    pooler = Pooler(f"{home}{_SBIN}/{NAME}", {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})
    run([pooler.executable, "--version"], env=pooler.env)
    return pooler


def _fetch(home: Path) -> None:
    """Unpack the package and the libraries that it names; `home` appears complete or not at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise StackError("PgBouncer is not on the PATH, and this machine has no apt to fetch Debian's.")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as directory:
        for path in ("lists/partial", "cache/archives/partial", "home"):
            Path(directory, path).mkdir(parents=True)
        # Lists and cache of our own: those of the machine are root's, and may be empty.
        options = [
            *("-qq", "-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache"),
            *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "Acquire::http::Timeout=20"),
        ]
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        try:
            run(["apt-get", *options, "update"], env=proxies)
            depends = run(["apt-cache", *options, "depends", NAME]).splitlines()
            libraries = [line.split()[1] for line in depends if line.startswith("  Depends: lib")]
            # Not the C library: the loader that the machine starts everything with belongs to its own.
            wanted = [NAME, *(name for name in libraries if name != "libc6")]
            run(["env", f"--chdir={directory}", "apt-get", *options, "download", *wanted], env=proxies)
            for package in Path(directory).glob("*.deb"):
                run(["dpkg-deb", "--extract", str(package), f"{directory}/home"])
        except StackError as error:
            raise StackError(
                f"PgBouncer is not on the PATH, and Debian's could not be fetched: {error}"
            ) from error
        Path(directory, "home").replace(home)
