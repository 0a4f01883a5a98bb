"""Checks parameters against the SDK's own parameter types, as strictly as Stripe does."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union

from stripe._request_options import RequestOptions

from scripts.stripe_sim.errors import InvalidParams, refused_param

_NAMES = {"StripeContext": object, "Mapping": Mapping}
"""What the SDK imports for type checkers only."""
_OPTIONS = frozenset(RequestOptions.__annotations__)
MAX_TEXT = 5000


def check(params: Mapping[str, Any], schema: type) -> dict[str, Any]:
    """The parameters with numbers and booleans for what the schema says are such; raises `InvalidParams`."""
    return _dict(params, schema, "")


@cache
def _fields(schema: type) -> dict[str, Any]:
    hints = typing.get_type_hints(schema, localns=_NAMES)
    return {name: hint for name, hint in hints.items() if name not in _OPTIONS}


def _dict(value: Any, schema: type, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise refused_param("Invalid object", path)
    fields = _fields(schema)
    for name in value:
        if name not in fields:
            where = _join(path, name)
            raise refused_param(f"Received unknown parameter: {where}", where, "parameter_unknown")
    required: frozenset[str] = getattr(schema, "__required_keys__", frozenset())
    for name in sorted(required & fields.keys() - value.keys()):
        where = _join(path, name)
        raise refused_param(f"Missing required param: {where}.", where, "parameter_missing")
    return {name: _value(item, fields[name], _join(path, name)) for name, item in value.items()}


def _value(value: Any, hint: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _union(value, typing.get_args(hint), path)
    if origin is Literal:
        return _literal(value, typing.get_args(hint), path)
    if origin is list:
        return _list(value, hint, path)
    if hasattr(hint, "__required_keys__"):
        return _dict(value, hint, path)
    if origin is not None or hint is dict:
        return _texts(value, path)
    return _scalar(value, hint, path)


def _list(value: Any, hint: Any, path: str) -> list[Any]:
    if not isinstance(value, Mapping) or not all(key.isdecimal() for key in value):
        raise refused_param("Invalid array", path)
    (item,) = typing.get_args(hint)
    items = [value[key] for key in sorted(value, key=int)]
    return [_value(each, item, f"{path}[{index}]") for index, each in enumerate(items)]


def _union(value: Any, hints: tuple[Any, ...], path: str) -> Any:
    literals = [hint for hint in hints if typing.get_origin(hint) is Literal]
    known = {text for hint in literals for text in typing.get_args(hint)}
    closed = bool(known - {""}) and str in hints  # the SDK lets any text pass; Stripe does not
    problem: InvalidParams | None = None
    for hint in sorted(hints, key=_breadth):
        if hint is type(None) or (closed and hint is str):
            continue
        try:
            return _value(value, hint, path)
        except InvalidParams as error:
            specific = error.error.get("param") != path
            problem = error if problem is None or specific else problem
    raise problem or refused_param("Invalid value", path)


def _breadth(hint: Any) -> int:
    """Try the narrow alternatives first."""
    if typing.get_origin(hint) is Literal:
        return 0
    return {bool: 1, int: 2, float: 3, Decimal: 4}.get(hint, 6 if hint is str else 5)


def _literal(value: Any, known: tuple[Any, ...], path: str) -> Any:
    for item in known:
        if value == (str(item).lower() if isinstance(item, bool) else str(item)):
            return item
    names = ", ".join(str(item) for item in known[:12])
    raise refused_param(f"Invalid {path}: must be one of {names}", path)


def _texts(value: Any, path: str) -> dict[str, Any]:
    """Free names and values, as in metadata."""
    if not isinstance(value, Mapping):
        raise refused_param("Invalid object", path)
    return {str(name): item if isinstance(item, dict) else str(item) for name, item in value.items()}


def _scalar(value: Any, hint: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise refused_param("Invalid string", path)
    if value == "" and hint is not object:
        message = f"You passed an empty string for '{path}'. Leave it out, or pass a value."
        raise refused_param(message, path, "parameter_invalid_empty")
    if hint is bool:
        return _literal(value, (True, False), path)
    if hint is str:
        if len(value) > MAX_TEXT:
            raise refused_param(f"Invalid string: longer than {MAX_TEXT} characters", path)
        return value
    try:
        return _number(value, hint)
    except (ValueError, InvalidOperation):
        message, code = f"Invalid integer: {value}", "parameter_invalid_integer"
        raise refused_param(message, path, code) from None


def _number(value: str, hint: Any) -> Any:
    if hint is int:
        if not value.lstrip("-").isdecimal():
            raise ValueError(value)
        return int(value)
    if hint is float:
        return float(value)
    if hint is Decimal:
        return str(Decimal(value))
    return value


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
