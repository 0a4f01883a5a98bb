"""Reading the mail that Auth has sent."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import httpx

PATIENCE = 10.0
"""Seconds until a mail that has not arrived counts as lost."""


@dataclass(frozen=True)
class Mail:
    """What people act on in an e-mail from Auth."""

    subject: str
    text: str

    @property
    def link(self) -> str:
        return self._find(r"https?://\S+")

    @property
    def code(self) -> str:
        return self._find(r"(?<=code: )\d+")

    def _find(self, pattern: str) -> str:
        match = re.search(pattern, self.text)
        assert match, f"no {pattern} in {self.text!r}"
        return match[0]


@dataclass(frozen=True)
class Mailbox:
    """Everybody's mail on the local stack."""

    url: str

    def latest(self, to: str) -> Mail:
        """The newest mail to this address; waits for the first one."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            mails = [mail for mail in httpx.get(f"{self.url}/api/email").json() if _is_to(mail, to)]
            if mails:
                return Mail(mails[-1]["subject"], mails[-1]["text"])
            time.sleep(0.05)
        raise AssertionError(f"no mail to {to} within {PATIENCE} s")


def _is_to(mail: dict[str, list[dict[str, str]]], address: str) -> bool:
    return any(recipient["address"] == address for recipient in mail["to"])
