"""A mail server that takes or refuses mail as its test asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.edge.process import free_port


@dataclass
class MailServer:
    """What aiosmtpd asks about each mail, and what it took."""

    url: str = ""
    taken: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    """The same as they came over the wire."""
    sessions: set[int] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    """Answers to the next recipients, used up one by one."""
    data_refusals: list[str] = field(default_factory=list)
    """Answers to the next contents."""

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        self.sessions.add(id(session))
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.data_refusals:
            return self.data_refusals.pop(0)
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        return "250 OK"


def bodies(mail: EmailMessage) -> tuple[str, str]:
    """What it says as text and as HTML."""
    text, html = mail.get_body(["plain"]), mail.get_body(["html"])
    assert text
    assert html
    return text.get_content(), html.get_content()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    port = free_port()
    controller = Controller(server, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    server.url = f"smtp://127.0.0.1:{port}"
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
