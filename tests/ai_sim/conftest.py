"""The stand-in of the stack, as new for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ai_sim.provider import Providers


@pytest.fixture
def providers(stack: dict[str, str]) -> Iterator[Providers]:
    providers = Providers(stack)
    providers.reset()
    yield providers
    providers.reset()
