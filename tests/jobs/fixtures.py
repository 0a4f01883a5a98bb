"""The queue of a database that belongs to the test, with two kinds of jobs whose effects can be counted."""

from urllib.parse import urlsplit

import psycopg
import pytest

from scripts.stack.stack import Stack
from tests.acting import World
from tests.jobs.queueing import EFFECTS, Queue


@pytest.fixture
def queue(world: World, local_stack: Stack) -> Queue:
    with psycopg.connect(world.database_url) as connection:
        connection.execute(EFFECTS)
    dbname = urlsplit(world.database_url).path.removeprefix("/")
    return Queue(world, local_stack.url("edge_service", dbname))
