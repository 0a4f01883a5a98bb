"""One simulator for all tests, empty and at the same moment for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.stripe_sim.process import Sim, running
from tests.stripe_sim.receiver import Receiver, receiving
from tests.stripe_sim.shop import Shop


@pytest.fixture(scope="package")
def process() -> Iterator[Sim]:
    with running() as sim:
        yield sim


@pytest.fixture
def sim(process: Sim) -> Sim:
    """Empty, with time standing still."""
    process.reset()
    return process


@pytest.fixture
def client(sim: Sim) -> stripe.StripeClient:
    return sim.client()


@pytest.fixture
def shop(sim: Sim, client: stripe.StripeClient) -> Shop:
    return Shop(sim, client)


@pytest.fixture
def receiver(sim: Sim) -> Iterator[Receiver]:
    """Gets what the simulator delivers, when it is told to."""
    with receiving() as receiver:
        sim.control("PUT", "webhook", {"url": receiver.url, "hold": True})
        yield receiver
        sim.reset()
