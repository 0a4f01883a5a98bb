import pytest

from tests.acting import World
from tests.metering.meter import Meter


@pytest.fixture
def meter(world: World) -> Meter:
    return Meter(world)
