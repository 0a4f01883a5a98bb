"""Postgres refuses to run as root; this is how it runs when root starts the stack."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """As whom a process runs: by a command prefix, as another user, or (neither) as the caller."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> Sequence[int] | None:
        return None if self.uid is None else ()


SAME_USER = Account()


def unprivileged(needs: Sequence[Sequence[str]]) -> Account:
    """The best account for a process that must not be root and has to be able to run each command of `needs`.

    A user namespace leaves files where they are, with the owner that they have. Where the machine
    forbids namespaces, or the files belong to somebody else, root can only become `nobody`.
    """
    if os.geteuid() != 0:
        return SAME_USER
    nobody = pwd.getpwnam("nobody")
    prefix = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
    if shutil.which("unshare") and all(_succeeds([*prefix, *command]) for command in needs):
        return Account(prefix=prefix)
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
