"""Which kind of job is done by which Python function. Kinds whose work is SQL need no entry."""

from __future__ import annotations

from collections.abc import Mapping

from edge.billing.jobs import billing_handlers
from edge.billing.stripe_api import Stripe
from edge.emails.sending import SendEmail
from edge.emails.smtp import Smtp
from edge.worker.job import Handler
from edge.worker.settings import WorkerSettings


def handlers(settings: WorkerSettings) -> Mapping[str, Handler]:
    """The handlers of this worker."""
    return {
        "jobs.send_email": SendEmail(
            Smtp(settings.smtp), settings.mail_from, site_url=settings.site_url, edge_url=settings.edge_url
        ),
        **billing_handlers(Stripe(settings.stripe_secret_key, settings.stripe_api_base)),
    }
