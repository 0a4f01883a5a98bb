import pytest

from tests.jobs.fixtures import queue as scheduled_queue
from tests.jobs.queueing import Queue

__all__ = ["queue", "scheduled_queue"]


@pytest.fixture
def queue(scheduled_queue: Queue) -> Queue:
    """Without schedules, whose jobs would come between those of the test at the turn of a minute."""
    scheduled_queue.world.as_dba("delete from jobs.schedules")
    return scheduled_queue
