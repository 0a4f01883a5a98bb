"""Answers that must be one of several: how that is asked for, and which of them a model meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_MEMBER: Final = "answer"


def schema_of(choices: Iterable[str]) -> dict[str, Any]:
    """JSON Schema of the answer, for providers that hold a model to it."""
    return {
        "type": "object",
        "properties": {_MEMBER: {"type": "string", "enum": list(choices)}},
        "required": [_MEMBER],
        "additionalProperties": False,
    }


def chosen(output: str, choices: Mapping[str, str]) -> str | None:
    """The choice that was said, as it was written; None if it was none, or could be several.

    Whoever does not answer in JSON, although asked to, may have said it all the same.
    """
    output = _unwrapped(output)
    if output in choices:
        return choices[output]
    said = _folded(output)
    meant = [written for shown, written in choices.items() if _folded(shown) == said]
    return meant[0] if len(meant) == 1 else None


def _unwrapped(output: str) -> str:
    try:
        said = msgspec.json.decode(output)
    except msgspec.DecodeError:
        return output
    inner = said.get(_MEMBER) if isinstance(said, dict) else None
    return inner if isinstance(inner, str) else output


def _folded(text: str) -> str:
    """Without what models change in what they repeat: case, spaces, how characters are composed."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
