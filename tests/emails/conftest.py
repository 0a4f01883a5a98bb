from collections.abc import Iterator

import pytest

from tests.emails.mail_server import MailServer, mail_server
from tests.jobs.fixtures import queue

__all__ = ["queue"]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running
