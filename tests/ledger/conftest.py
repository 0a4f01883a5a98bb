"""The ledger of a database that belongs to the test."""

import pytest

from tests.acting import World
from tests.ledger.bookkeeping import Ledger


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(world)
