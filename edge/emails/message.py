"""A mail as it goes over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from edge.emails.rendering import Rendered

WIRE: Final = SMTP.clone(max_line_length=998, cte_type="7bit")
"""The most that SMTP allows: folding would encode long links in headers, where nobody decodes them."""


def compose(
    rendered: Rendered, *, sender: Address, to: str, message_id: str, unsubscribe_url: str | None
) -> EmailMessage:
    """Text and HTML; with `unsubscribe_url` mail programs offer to unsubscribe by one click (RFC 8058)."""
    message = EmailMessage(WIRE)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    if unsubscribe_url:
        message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message
