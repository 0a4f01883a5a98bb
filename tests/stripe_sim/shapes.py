"""Compares objects with the SDK's classes: names, what must be there, plain types, known words."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Union

from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject

Raw = Mapping[str, Any]
PLAIN: Mapping[type, type | tuple[type, ...]] = {int: int, str: str, bool: bool, float: (int, float)}


def problems(document: Raw, known: type[StripeObject] | None = None, path: str = "") -> Iterator[str]:
    """What the SDK's class of this object would not expect."""
    name = document.get("object")
    cls = known or (get_object_class("V1", name) if isinstance(name, str) else None)
    if name == "list":
        for index, item in enumerate(document["data"]):
            yield from problems(item, None, f"{path}[{index}]")
        return
    if cls is None:
        yield f"{path or name}: no class"
        return
    if document.get("deleted"):
        return
    hints = {field: hint for field, hint in cls.__annotations__.items() if not _is_class_variable(hint)}
    where = path or cls.__name__
    yield from (f"{where}.{field}: unknown" for field in document if field not in hints)
    yield from (
        f"{where}.{field}: missing"
        for field in hints.keys() - document.keys()
        if not _is_optional(hints[field])
    )
    for field, value in document.items():
        yield from _value_problems(
            value, hints.get(field), cls._inner_class_types.get(field), f"{where}.{field}"
        )


def _value_problems(value: Any, hint: Any, inner: Any, path: str) -> Iterator[str]:
    if value is None:
        if hint is not None and not _is_optional(hint):
            yield f"{path}: null"
    elif isinstance(value, dict):
        if inner or "object" in value:
            yield from problems(value, inner, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict) and (inner or "object" in item):
                yield from problems(item, inner, f"{path}[{index}]")
    else:
        plain = _without_none(hint)
        if plain in PLAIN and (
            not isinstance(value, PLAIN[plain]) or isinstance(value, bool) != (plain is bool)
        ):
            yield f"{path}: {value!r} is no {plain.__name__}"
        words = _words(plain)
        if words and isinstance(value, str) and value not in words:
            yield f"{path}: {value!r} is not among {sorted(map(str, words))[:8]}"


def _is_class_variable(hint: Any) -> bool:
    return typing.get_origin(hint) is ClassVar


def _is_optional(hint: Any) -> bool:
    return typing.get_origin(hint) is Union and type(None) in typing.get_args(hint)


def _without_none(hint: Any) -> Any:
    kept = [each for each in typing.get_args(hint) if each is not type(None)]
    return kept[0] if _is_optional(hint) and len(kept) == 1 else hint


def _words(hint: Any) -> set[Any]:
    if typing.get_origin(hint) is Literal:
        return set(typing.get_args(hint))
    if typing.get_origin(hint) is Union:
        return set().union(*(_words(each) for each in typing.get_args(hint)))
    return set()
