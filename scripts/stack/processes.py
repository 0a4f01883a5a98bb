"""Processes that outlive the command that started them, and tools that must not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from scripts.stack import interrupts
from scripts.stack.account import SAME_USER, Account
from scripts.stack.errors import StackError
from scripts.stack.server import Server
from scripts.stack.settings import ROOT

CLOCK_TOLERANCE = 5.0  # seconds by which a process' creation may seem to move when the clock is set
POLL = 0.05  # seconds
PATIENCE = 10.0  # seconds in which a process has to follow its stop signal
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")
QUIET = {"TZ": "UTC", "DO_NOT_TRACK": "1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}

MARK = "GROUNDWORK_RUN_FILE"
"""In the environment of all that belongs to a server."""

_children: dict[int, subprocess.Popen[bytes]] = {}


class ToolError(StackError):
    """A tool failed; `output` is what it printed."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        super().__init__(f"{Path(command[0]).name} failed with status {status}:\n{output.strip()}")
        self.output = output


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same pid by when it was created."""

    pid: int
    created: float
    stop_signal: int
    fingerprint: str
    """Of the server that it was started as."""

    @classmethod
    def recorded(cls, run_file: Path) -> Process | None:
        """The process that this file names, if it still runs."""
        try:
            process = cls(**json.loads(run_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return process if process.is_alive() else None

    def is_alive(self) -> bool:
        if child := _children.get(self.pid):
            child.poll()
        process = _living(self.pid)
        return process is not None and abs(_created(process) - self.created) < CLOCK_TOLERANCE

    @property
    def exit_status(self) -> int | None:
        """Its status (negative: the signal that killed it), if this invocation started it and saw it end."""
        child = _children.get(self.pid)
        return child.poll() if child else None


def spawn(server: Server, *, log: Path, run_file: Path, temporary: Path) -> Process:
    """Start a server in its own session, so that no Ctrl-C reaches it, and record it.

    Its output goes to `log`; the log of its run before is kept beside it.
    Its temporary files go to `temporary`, not where those of other users are.
    """
    for path, content in server.files.items():
        path.write_text(content)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with interrupts.held(), log.open("wb") as output:
        env = {**server.env, "TMPDIR": str(temporary), MARK: str(run_file)}
        child = _popen(server.command, env, server.account, output.fileno())
        _children[child.pid] = child
        created = _created(psutil.Process(child.pid))
        process = Process(child.pid, created, server.stop_signal, server.fingerprint)
        run_file.write_text(json.dumps(asdict(process)) + "\n")
    return process


def stop(run_file: Path) -> bool:
    """Ask what was started with this run file to end, wait, then kill what is left; False if nothing ran.

    Found are also processes that outlived their recorded parent, and those that were never recorded.
    """
    leader = Process.recorded(run_file)
    family = _family(run_file, leader)
    if leader:
        os.kill(leader.pid, leader.stop_signal)
        wait_until(lambda: not leader.is_alive(), PATIENCE)
    for member in family:
        if _living(member.pid) == member:
            member.kill()
    wait_until(lambda: not any(_living(member.pid) == member for member in family), PATIENCE)
    run_file.unlink(missing_ok=True)
    return bool(family)


def ports_of(run_file: Path) -> set[int]:
    """The ports on which what was started with this run file listens."""
    return {port for process in _family(run_file, Process.recorded(run_file)) for port in _listening(process)}


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, account: Account = SAME_USER) -> str:
    """Run a tool to its end and return what it printed; raises `ToolError` if it fails.

    If this invocation is interrupted meanwhile, nothing of the tool survives.
    """
    with interrupts.held():
        child = _popen(command, env or {}, account, subprocess.PIPE)
    try:
        output = child.communicate()[0].decode(errors="replace")
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode:
        raise ToolError(command, child.returncode, output)
    return output


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False if it does not within this time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def _popen(
    command: Sequence[str], env: Mapping[str, str], account: Account, output: int
) -> subprocess.Popen[bytes]:
    """In a clean environment: nothing of the user's shell decides how a part behaves."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return subprocess.Popen(
        [*account.prefix, *command],
        env=inherited | QUIET | dict(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )


def _living(pid: int) -> psutil.Process | None:
    """The process, unless it has ended; a zombie that nobody reaps has."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _created(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _family(run_file: Path, leader: Process | None) -> set[psutil.Process]:
    """All processes that carry this run file's mark, and the leader's descendants: Postgres' hide theirs."""
    members = {process for process in psutil.process_iter() if _mark(process) == str(run_file)}
    if leader and (process := _living(leader.pid)):
        members |= {process, *process.children(recursive=True)}
    return members


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _listening(process: psutil.Process) -> set[int]:
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {connection.laddr[1] for connection in connections if connection.status == psutil.CONN_LISTEN}
