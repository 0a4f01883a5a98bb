"""The mail server: connections that are used again, and refusals that are understood."""

from __future__ import annotations

import re
import time
from email.message import EmailMessage
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from edge.emails.message import WIRE
from edge.settings import Secret

_TIMEOUT: Final = 10.0
_LEFT_ALONE_FOR: Final = 15.0
"""Seconds after a timeout: or mail would hold all of a worker's slots, and keep other work waiting."""

_REUSED_FOR: Final = 5.0
"""Seconds; servers hang up on idle connections."""

_ADDRESS = re.compile(r"[^\s<]+@[^\s>]+")
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.\d{1,3}\b")


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is handed in: `smtps://` speaks TLS from the start, `smtp://` turns to it if offered.

    A password never travels in the clear: with one, `smtp://` insists on TLS.
    """

    host: str
    port: int
    use_tls: bool
    username: str | None
    password: Secret | None

    @classmethod
    def from_url(cls, text: str) -> Self:
        """Raises ValueError."""
        parts = urlsplit(text)
        if (
            parts.scheme not in {"smtp", "smtps"}
            or not parts.hostname
            or parts.path.strip("/")
            or parts.query
            or parts.fragment
            or (parts.username is None) != (parts.password is None)
        ):
            raise ValueError
        use_tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if use_tls else 587),
            use_tls=use_tls,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else Secret(unquote(parts.password)),
        )


class BouncedError(Exception):
    """The server refuses this mail for good; sending it again would only harm the sender's name."""

    def __init__(self, code: int, answer: str, *, address_is_dead: bool) -> None:
        super().__init__(f"{code} {_plain(answer)}")
        self.address_is_dead = address_is_dead


class MailServerError(Exception):
    """The server does not take the mail now; asked again it may."""


class Smtp:
    """Hands mails to one server, each over a connection of its own or one that has just become free."""

    def __init__(self, server: SmtpServer, *, timeout: float = _TIMEOUT) -> None:
        self._server = server
        self._timeout = timeout
        self._left_alone_until = float("-inf")
        self._free: list[tuple[float, aiosmtplib.SMTP]] = []

    async def send(self, message: EmailMessage, *, sender: str, to: str) -> None:
        """Return when the server has taken the mail.

        Raises `BouncedError` if it never will, `MailServerError` or an OSError if it may be asked again.
        """
        if time.monotonic() < self._left_alone_until:
            raise MailServerError("the server did not answer in time, a moment ago")
        utf8 = not to.isascii()
        content = message.as_bytes(policy=WIRE.clone(utf8=utf8))
        try:
            client = await self._connection()
            try:
                await client.sendmail(sender, [to], content, mail_options=["SMTPUTF8"] if utf8 else [])
            except BaseException:
                client.close()
                raise
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            _raise_if_bounced(refusal)
            raise MailServerError(f"{refusal.code} {_plain(refusal.message)}") from None
        except aiosmtplib.SMTPDataError as error:
            if error.code >= 500:
                raise BouncedError(error.code, error.message, address_is_dead=False) from None
            raise MailServerError(f"{error.code} {_plain(error.message)}") from None
        except aiosmtplib.SMTPTimeoutError as error:
            self._left_alone_until = time.monotonic() + _LEFT_ALONE_FOR
            raise MailServerError(f"the server does not answer in time: {type(error).__name__}") from None
        except aiosmtplib.SMTPException as error:
            raise MailServerError(f"{type(error).__name__}: {_plain(str(error))}") from None
        self._free.append((time.monotonic(), client))

    async def _connection(self) -> aiosmtplib.SMTP:
        while self._free:
            since, client = self._free.pop()
            if client.is_connected and time.monotonic() - since < _REUSED_FOR:
                return client
            client.close()
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.use_tls,
            start_tls=None if server.use_tls or not server.username else True,
            username=server.username,
            password=server.password.reveal() if server.password else None,
            timeout=self._timeout,
        )
        await client.connect()
        return client


def _plain(answer: str) -> str:
    """What a server answers can be kept: whatever bytes it sends, and without the address that it repeats."""
    printable = "".join(c if c.isprintable() else " " for c in answer.encode(errors="replace").decode())
    return _ADDRESS.sub("<address>", printable)


def _raise_if_bounced(refusal: aiosmtplib.SMTPRecipientRefused) -> None:
    """5.1 and 5.2 speak of the address and its mailbox. Other refusals, like "relay denied", speak of us:
    they would bounce everybody's mail, and an operator can mend them."""
    enhanced = _ENHANCED.match(refusal.message)
    subject = enhanced[2] if enhanced else None
    if subject in {"1", "2"} or (subject is None and refusal.code in {550, 551, 553}):
        full = enhanced is not None and enhanced[0].strip() == "5.2.2"
        raise BouncedError(refusal.code, refusal.message, address_is_dead=not full) from None
