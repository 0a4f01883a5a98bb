"""English for people."""

from __future__ import annotations


def counted(number: int | str, noun: str) -> str:
    """`1 second`, `2 seconds`."""
    return f"{number} {noun}{'' if str(number) == '1' else 's'}"
