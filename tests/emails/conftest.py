from collections.abc import Iterator

import pytest

from tests.billing.fixtures import shop
from tests.emails.mail_server import MailServer, mail_server
from tests.jobs.fixtures import queue

__all__ = ["queue", "shop"]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running
