"""The handler of `jobs.send_email`: one job, one mail.

A mail server and a database cannot commit together. If the worker dies after the server's yes and
before `edge.finish_email` has committed, the mail goes out twice, with the same Message-ID: that
window is the only one, and mail programs that know the id show the mail once.
"""

from __future__ import annotations

from email.headerregistry import Address
from typing import Any
from uuid import UUID

import msgspec

from edge.database import Caller
from edge.emails.message import compose
from edge.emails.rendering import UnknownTemplateError, Wording
from edge.emails.smtp import BouncedError, Smtp
from edge.worker import queries
from edge.worker.job import FINISHED, Job, Result, RetryLater
from edge.worker.persistence import until_heard


class Email(msgspec.Struct, frozen=True):
    """What `edge.start_email` answers."""

    template: str
    to: str
    params: dict[str, Any]
    message_id: str
    unsubscribe_token: UUID | None


class SendEmail:
    """Renders and sends; what became of it is recorded together with the end of the job."""

    def __init__(self, smtp: Smtp, sender: Address, *, site_url: str, edge_url: str) -> None:
        self._smtp = smtp
        self._sender = sender
        self._edge_url = edge_url
        self._wording = Wording(product=sender.display_name or sender.domain, site_url=site_url)

    async def __call__(self, job: Job, caller: Caller) -> Result:
        held = {"id": job.id, "lease": job.lease}
        row = await caller.call(queries.START_EMAIL, {**held, "domain": self._sender.domain})
        if row is None:
            return None
        email = msgspec.convert(row, Email)
        url = self._unsubscribe_url(email)
        try:
            rendered = self._wording.render(email.template, email.params, unsubscribe_url=url)
        except UnknownTemplateError as error:
            raise RetryLater(f"no wording for {error}", seconds=60) from error
        message = compose(
            rendered, sender=self._sender, to=email.to, message_id=email.message_id, unsubscribe_url=url
        )
        try:
            await self._smtp.send(message, sender=self._sender.addr_spec, to=email.to)
        except BouncedError as error:
            bounced = {"reason": str(error), "address_is_dead": error.address_is_dead}
            await until_heard(
                lambda: caller.call(queries.BOUNCE_EMAIL, {**held, **bounced}), job.lease_seconds
            )
        else:
            await until_heard(lambda: caller.call(queries.FINISH_EMAIL, held), job.lease_seconds)
        return FINISHED

    def _unsubscribe_url(self, email: Email) -> str | None:
        if email.unsubscribe_token is None:
            return None
        return f"{self._edge_url}/unsubscribe?token={email.unsubscribe_token}"
