"""Starts and stops parts, and knows which of them run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.stack import interrupts
from scripts.stack.errors import StackError
from scripts.stack.logs import tail
from scripts.stack.narrator import Narrator
from scripts.stack.parts import Part
from scripts.stack.ports import holder, is_free
from scripts.stack.processes import Process, ports_of, spawn, stop, wait_until
from scripts.stack.settings import PORTS_PER_STACK, Settings

PATIENCE = 30.0  # seconds in which a started part has to answer
LETTING_GO = 2.0  # seconds in which a process that was just stopped may still hold its port
SHOWN_LINES = 15


@dataclass(frozen=True)
class Status:
    """How one part is now."""

    part: Part
    process: Process | None
    healthy: bool


class Runner:
    """The processes of one stack, remembered in its state directory."""

    def __init__(self, settings: Settings, narrator: Narrator) -> None:
        self._settings = settings
        self._narrator = narrator

    def status(self, part: Part) -> Status:
        """Whether this part runs and answers."""
        process = Process.recorded(self._run_file(part.name))
        return Status(part, process, process is not None and part.is_healthy())

    @contextmanager
    def all_or_nothing(self, parts: Sequence[Part]) -> Iterator[list[Part]]:
        """Yield the parts that have to be started; if the block fails, none of these runs afterwards."""
        missing = [part for part in parts if not self._is_kept(part)]
        names = [part.name for part in missing]
        ours = {port for name in names for port in ports_of(self._run_file(name))}
        self._require_ports(missing, but_for=ours)  # a stack that cannot move stays where it is
        self._require_ports(missing, patience=LETTING_GO if self.stop(names) else 0)
        try:
            yield missing
        except BaseException:
            with interrupts.held():
                self.stop(names)
            raise

    def start(self, parts: Sequence[Part]) -> None:
        """Start these parts together and wait until each answers."""
        begun = time.monotonic()
        processes = [self._spawn(part) for part in parts]
        for part, process in zip(parts, processes, strict=True):
            self._narrator.doing(f"waiting for {part.name}")
            self._await(part, process)
            self._narrator.done(f"{part.name} ready after {time.monotonic() - begun:.1f} s")

    def stop(self, names: Iterable[str]) -> bool:
        """Stop these parts, the last first, whatever their declaration has become; False if none ran."""
        stopped = [name for name in reversed([*names]) if self._stop(name)]
        return bool(stopped)

    def _is_kept(self, part: Part) -> bool:
        status = self.status(part)
        same = status.process is not None and status.process.fingerprint == part.fingerprint
        kept = status.healthy and same
        if kept:
            self._narrator.done(f"{part.name} runs already")
        elif status.process:
            self._narrator.done(f"{part.name} is restarted: it {'does not answer' if same else 'changed'}")
        return kept

    def _spawn(self, part: Part) -> Process:
        temporary = self._temporary(part.name)
        temporary.mkdir(mode=0o700)
        return spawn(part, log=self._log(part.name), run_file=self._run_file(part.name), temporary=temporary)

    def _stop(self, name: str) -> bool:
        stopped = stop(self._run_file(name))
        shutil.rmtree(self._temporary(name), ignore_errors=True)
        if stopped:
            self._narrator.done(f"{name} stopped")
        return stopped

    def _await(self, part: Part, process: Process) -> None:
        wait_until(lambda: not process.is_alive() or part.is_healthy(), PATIENCE)
        if not process.is_alive():
            self._fail(part, f"ended while it started (status {process.exit_status})")
        if not part.is_healthy():
            self._fail(part, f"did not answer within {PATIENCE:.0f} seconds")

    def _fail(self, part: Part, what: str) -> None:
        log = self._log(part.name)
        lines = "\n".join(f"  {line}" for line in tail(log, SHOWN_LINES)) or "  (it wrote nothing)"
        raise StackError(f"{part.name} {what}. The last lines of {log}:\n{lines}")

    def _require_ports(
        self, parts: Sequence[Part], *, but_for: Collection[int] = (), patience: float = 0
    ) -> None:
        for part in parts:
            for port in part.ports:
                if port not in but_for and not wait_until(partial(is_free, port), patience):
                    raise StackError(
                        f"Port {port}, which {part.name} needs, is taken by {holder(port)}. "
                        "Stop that, or move the stack to other ports: "
                        f"GROUNDWORK_PORT={self._settings.port + 10 * PORTS_PER_STACK} make up"
                    )

    def _log(self, name: str) -> Path:
        return self._settings.logs / f"{name}.log"

    def _temporary(self, name: str) -> Path:
        return self._settings.temporary / name

    def _run_file(self, name: str) -> Path:
        return self._settings.run / f"{name}.json"
