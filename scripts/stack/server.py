"""What has to be known to start a process that stays."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack.account import SAME_USER, Account


@dataclass(frozen=True, kw_only=True)
class Server:
    """A command that runs until it is stopped."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account = SAME_USER
    stop_signal: signal.Signals = signal.SIGTERM
    files: Mapping[Path, str] = field(default_factory=dict)
    """Configuration that it reads; written before it starts."""
    sources: Path | None = None
    """Its code, if it is part of this repository: a change of it is a reason to restart."""

    @property
    def fingerprint(self) -> str:
        """Differs when a running server would have to be restarted to be what is described here."""
        digest = hashlib.sha256(
            json.dumps([self.command, dict(self.env), [*self.files.values()]], sort_keys=True).encode()
        )
        for path in sorted(self.sources.rglob("*")) if self.sources else []:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(bytes(path) + path.read_bytes())
        return digest.hexdigest()
