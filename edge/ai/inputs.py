"""Inputs, held to the JSON Schema of their feature. Errors name the place and the rule, never the value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from edge.errors import BrokenRule, invalid
from edge.words import counted

MOST_VALUES: Final = 1000
"""Everybody else waits while an input is checked."""
DEEPEST: Final = 20

_KINDS: Final = {
    "string": "a text",
    "array": "a list",
    "object": "an object",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_RULES: Final[Mapping[str, Callable[[Any], str]]] = {
    "type": lambda kind: _KINDS.get(kind, "of another type"),
    "minLength": lambda length: f"at least {counted(length, 'character')} long",
    "maxLength": lambda length: f"at most {counted(length, 'character')} long",
    "minItems": lambda length: f"at least {length} long",
    "maxItems": lambda length: f"at most {length} long",
    "minimum": lambda least: f"at least {least}",
    "maximum": lambda most: f"at most {most}",
    "uniqueItems": lambda _: "without repetitions",
    "enum": lambda values: f"one of {_listed(values)}",
    "const": json.dumps,
    "format": lambda name: f"a {name}",
    "pattern": lambda pattern: f"like {pattern}",
    "required": lambda names: f"with {_listed(names)}",
    "additionalProperties": lambda _: "without other members",
}


def check_input(schema: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    """Raise `validation_failed` with the first few rules that are broken."""
    errors = _unsound(value)
    if not errors:
        found = sorted(
            _validator(json.dumps(schema)).iter_errors(value), key=lambda error: list(map(str, error.path))
        )
        errors = [_told(error) for error in found]
    if errors:
        raise invalid(*errors)


@lru_cache(maxsize=100)
def _validator(schema: str) -> Draft202012Validator:
    return _Validator(json.loads(schema), format_checker=FormatChecker(["uuid"]))


def _unique_items(
    validator: Any, wanted: bool, value: Any, _: Mapping[str, Any]
) -> Iterable[ValidationError]:
    """As JSON Schema means it, but 1 and 1.0 differ. The library compares objects each with each other."""
    if wanted and validator.is_type(value, "array"):
        different = {json.dumps(element, sort_keys=True) for element in value}
        if len(different) < len(value):
            yield ValidationError("not unique")


_Validator: Final = extend(Draft202012Validator, {"uniqueItems": _unique_items})


def _told(error: ValidationError) -> BrokenRule:
    field = ".".join(["input", *map(str, error.absolute_path)])
    if error.validator == "oneOf":
        names = [name for choice in error.validator_value for name in choice.get("required", [])]
        return {"field": field, "rule": f"with exactly one of {_listed(names)}"}
    rule = _RULES.get(str(error.validator))
    return {"field": field, "rule": rule(error.validator_value) if rule else "as its schema says"}


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _unsound(value: Mapping[str, Any]) -> list[BrokenRule]:
    """What no schema could make good, found before anything costly looks at it."""
    waiting: list[tuple[str, Any, int]] = [("input", value, 0)]
    seen = 0
    while waiting:
        field, inner, depth = waiting.pop()
        seen += 1
        # Counted before they are named, which takes longer.
        if seen + len(waiting) + (len(inner) if isinstance(inner, dict | list) else 0) > MOST_VALUES:
            return [{"field": "input", "rule": f"of at most {MOST_VALUES} values"}]
        if depth > DEEPEST:
            return [{"field": "input", "rule": f"at most {DEEPEST} deep"}]
        if isinstance(inner, str) and "\0" in inner:
            return [{"field": field, "rule": "without NUL characters"}]
        if isinstance(inner, dict):
            if any("\0" in name for name in inner):
                return [{"field": field, "rule": "without NUL characters"}]
            waiting += [(f"{field}.{name}", each, depth + 1) for name, each in inner.items()]
        elif isinstance(inner, list):
            waiting += [(f"{field}.{place}", each, depth + 1) for place, each in enumerate(inner)]
    return []
