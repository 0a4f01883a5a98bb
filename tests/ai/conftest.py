"""The edge's own half of a call."""

from urllib.parse import urlsplit

import pytest

from scripts.stack.stack import Stack
from tests.acting import World
from tests.ai.calls import Edge


@pytest.fixture
def edge(local_stack: Stack, world: World) -> Edge:
    return Edge(local_stack.url("edge_service", urlsplit(world.database_url).path.removeprefix("/")))
