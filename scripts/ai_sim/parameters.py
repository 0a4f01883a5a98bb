"""Checks a JSON body against an SDK's own type of parameters: nothing unknown, nothing missing."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union

import typing_extensions

Kind = Literal["unknown", "missing", "invalid"]
_LISTS = (collections.abc.Iterable, collections.abc.Sequence, list)
_MAPPINGS = (dict, collections.abc.Mapping)


class Malformed(Exception):
    """A parameter is not as it should be."""

    def __init__(self, kind: Kind, path: tuple[str, ...], wanted: str = "") -> None:
        super().__init__(f"{kind} {'.'.join(path)} {wanted}")
        self.kind = kind
        self.path = path
        self.wanted = wanted


def check(value: Any, schema: type) -> None:
    """Raise `Malformed` for the first thing that this TypedDict does not expect."""
    _object(value, schema, ())


@cache
def fields(schema: type) -> Mapping[str, tuple[Any, bool]]:
    """The types of the fields, and whether each must be there."""
    found = {}
    for name, hint in typing.get_type_hints(schema, include_extras=True).items():
        required = typing.get_origin(hint) in (typing.Required, typing_extensions.Required)
        found[name] = (typing.get_args(hint)[0] if required else hint, required)
    return found


def words(hint: Any) -> tuple[str, ...]:
    """Every literal that this type names, however deep in unions."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    return tuple(word for inner in typing.get_args(hint) for word in words(inner))


def _object(value: Any, schema: type, path: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise Malformed("invalid", path, "an object")
    known = fields(schema)
    for name, (_, required) in known.items():
        if required and name not in value:
            raise Malformed("missing", (*path, name))
    for name, item in value.items():
        if name not in known:
            raise Malformed("unknown", (*path, name))
        _value(item, known[name][0], (*path, name))


def _value(value: Any, hint: Any, path: tuple[str, ...]) -> None:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        _value(value, inner[0], path)
    elif origin in (Union, types.UnionType):
        _one_of(value, inner, path)
    elif origin is Literal:
        if value not in inner:
            raise Malformed("invalid", path, "one of " + ", ".join(map(repr, inner)))
    elif origin in _LISTS or _is_protocol_of_lists(origin):
        if not isinstance(value, list):
            raise Malformed("invalid", path, "a list")
        for index, item in enumerate(value):
            _value(item, inner[0], (*path, str(index)))
    elif origin in _MAPPINGS:
        if not isinstance(value, dict):
            raise Malformed("invalid", path, "an object")
        for name, item in value.items():
            _value(item, inner[1], (*path, name))
    elif typing_extensions.is_typeddict(hint):
        _object(value, hint, path)
    else:
        _plain(value, hint, path)


def _is_protocol_of_lists(origin: Any) -> bool:
    return isinstance(origin, type) and origin.__name__ == "SequenceNotStr"


def _one_of(value: Any, hints: tuple[Any, ...], path: tuple[str, ...]) -> None:
    """The alternative that came furthest explains what is wrong."""
    problem: Malformed | None = None
    for hint in hints:
        try:
            _value(value, hint, path)
        except Malformed as error:
            mistaken = error.path[len(path) :] in {("type",), ("role",)} and error.kind == "invalid"
            if problem is None or (len(error.path) > len(problem.path) and not mistaken):
                problem = error
        else:
            return
    raise problem or Malformed("invalid", path)


def _plain(value: Any, hint: Any, path: tuple[str, ...]) -> None:
    if hint in (Any, object):
        return
    if hint in (None, type(None)):
        fits = value is None
    elif hint in (int, float):
        fits = isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    else:
        fits = hint in (str, bool) and isinstance(value, hint)
    if not fits:
        raise Malformed("invalid", path, {str: "a string", bool: "a boolean"}.get(hint, "a number"))
