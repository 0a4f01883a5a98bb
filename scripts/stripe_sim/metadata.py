"""What may be attached to an object, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.stripe_sim.errors import invalid

MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500


def merged(
    old: Mapping[str, str], new: Mapping[str, Any] | str | None, path: str = "metadata"
) -> dict[str, str]:
    """Keys are added one by one, an empty value removes its key, an empty text removes all."""
    if new is None:
        return dict(old)
    if isinstance(new, str):
        return {}
    for key, value in new.items():
        _check(key, value, path)
    kept = {**old, **new}
    result = {key: value for key, value in kept.items() if value != ""}
    if len(result) > MAX_KEYS:
        raise invalid(f"Metadata can have at most {MAX_KEYS} keys.", path)
    return result


def _check(key: str, value: Any, path: str) -> None:
    where = f"{path}[{key}]"
    if not isinstance(value, str):
        raise invalid("Metadata values must be strings.", where)
    if not key or len(key) > MAX_KEY or "[" in key or "]" in key:
        raise invalid(f"Metadata keys have 1 to {MAX_KEY} characters, none of them a square bracket.", where)
    if len(value) > MAX_VALUE:
        raise invalid(f"Metadata values can have at most {MAX_VALUE} characters.", where)
