"""Databases for many examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.stack.stack import Stack
from tests.billing.properties.examples import Stage, stage
from tests.conftest import clone


@pytest.fixture(scope="module")
def stage_of_examples(local_stack: Stack, template: str) -> Iterator[Stage]:
    with stage(local_stack, lambda: clone(local_stack, template)) as opened:
        yield opened
