"""A shop in a database that belongs to the test."""

from urllib.parse import urlsplit

import pytest

from scripts.stack.stack import Stack
from tests.acting import World
from tests.billing.shop import Shop


@pytest.fixture
def shop(world: World, local_stack: Stack) -> Shop:
    dbname = urlsplit(world.database_url).path.removeprefix("/")
    return Shop(world, local_stack.url("edge_service", dbname))
