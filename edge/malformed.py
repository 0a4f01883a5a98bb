"""What Litestar and msgspec find wrong with a request, as the fields and rules that we speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from edge.errors import BrokenRule
from edge.words import counted

_KINDS: Final = {
    "str": "a text",
    "array": "a list",
    "object": "an object",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "uuid": "a uuid",
}
_TYPE = re.compile(r"Expected `(?P<kinds>[^`]+)`, got ")
_LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<sign>[<>])= (?P<limit>\d+)")
_SIZE = re.compile(r"Expected `\w+` (?P<sign>[<>])= (?P<limit>[\d.-]+)")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]+)`")
_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")
_BOUNDS: Final = {">": "at least", "<": "at most"}


def broken_rules(detail: str, errors: Iterable[Mapping[str, Any]]) -> list[BrokenRule]:
    """Of a ValidationException: its detail, and what it lists."""
    told = [_broken(str(error.get("key", "")), str(error.get("message", ""))) for error in errors]
    if match := _MISSING_PARAMETER.match(detail):
        told.append({"field": match["name"], "rule": "given"})
    return told or [{"field": "request", "rule": "well-formed"}]


def _broken(key: str, message: str) -> BrokenRule:
    place = re.sub(r"\[(\d+)\]", r".\1", "" if key == "data" else key)
    if match := _MISSING.match(message):
        return {"field": _inside(place, match["name"]), "rule": "given"}
    if match := _UNKNOWN.match(message):
        return {"field": _inside(place, match["name"]), "rule": "left out"}
    return {"field": place or "body", "rule": _rule(message)}


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _rule(message: str) -> str:
    if match := _LENGTH.match(message):
        length = counted(match["limit"], "character") if match["kind"] == "str" else match["limit"]
        return f"{_BOUNDS[match['sign']]} {length} long"
    if match := _SIZE.match(message):
        return f"{_BOUNDS[match['sign']]} {match['limit']}"
    if match := _TYPE.match(message):
        return " or ".join(_KINDS.get(kind, "of another type") for kind in match["kinds"].split(" | "))
    if message == "Invalid UUID":
        return _KINDS["uuid"]
    return "given" if message == "'data'" else "well-formed"
