"""`python -m tests.emails.doomed_mailer STEP VARIANT`: a worker that is killed around its first mail.

The variant `renames` is broken on purpose: it gives each attempt a Message-ID of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from email.message import EmailMessage
from uuid import uuid4

from edge.emails.sending import SendEmail
from edge.emails.smtp import Smtp, SmtpServer
from edge.worker.__main__ import main
from edge.worker.settings import load_worker_settings


class DoomedSmtp(Smtp):
    async def send(self, message: EmailMessage, *, sender: str, to: str) -> None:
        if sys.argv[1] == "before_sending":
            os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] == "renames":
            message.replace_header("Message-ID", f"<{uuid4()}@example.com>")
        await super().send(message, sender=sender, to=to)
        if sys.argv[1] == "after_sending":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = load_worker_settings(os.environ)
    smtp = DoomedSmtp(SmtpServer.from_url(os.environ["SMTP_URL"]))
    send_email = SendEmail(smtp, settings.mail_from, site_url=settings.site_url, edge_url=settings.edge_url)
    sys.exit(main({"jobs.send_email": send_email}))
