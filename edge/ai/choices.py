"""Answers that must be one of several: which of them a model meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping


def chosen(output: str, choices: Mapping[str, str]) -> str | None:
    """The choice that was said, as it was written; None if it was none, or could be several."""
    if output in choices:
        return choices[output]
    said = _folded(output)
    meant = [written for shown, written in choices.items() if _folded(shown) == said]
    return meant[0] if len(meant) == 1 else None


def _folded(text: str) -> str:
    """Without what models change in what they repeat: case, spaces, how characters are composed."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
