"""Whom the stack tells what it does."""

from __future__ import annotations

from typing import Protocol


class Narrator(Protocol):
    """Shows progress."""

    def doing(self, what: str) -> None:
        """Something has begun and goes on."""

    def done(self, what: str) -> None:
        """Something is finished."""


class Silent:
    """For tests and scripts."""

    def doing(self, what: str) -> None:
        """Say nothing."""

    def done(self, what: str) -> None:
        """Say nothing."""
