"""Inputs, held to the JSON Schema of their feature. Errors name the place and the rule, never the value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from edge.errors import EdgeError

MOST_ERRORS: Final = 10

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
    "minLength": lambda length: f"at least {length} characters long",
    "maxLength": lambda length: f"at most {length} characters long",
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
    errors = [{"field": field, "rule": "without NUL characters"} for field in _with_nul("input", value)]
    if not errors:
        found = sorted(
            _validator(json.dumps(schema)).iter_errors(value), key=lambda error: list(map(str, error.path))
        )
        errors = [_told(error) for error in found]
    if errors:
        first = errors[0]
        raise EdgeError(
            "validation_failed",
            hint=f"{first['field']} must be {first['rule']}.",
            members={**first, "errors": errors[:MOST_ERRORS]},
        )


@lru_cache(maxsize=100)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=FormatChecker(["uuid"]))


def _told(error: ValidationError) -> dict[str, str]:
    field = ".".join(["input", *map(str, error.absolute_path)])
    if error.validator == "oneOf":
        names = [name for choice in error.validator_value for name in choice.get("required", [])]
        return {"field": field, "rule": f"with exactly one of {_listed(names)}"}
    rule = _RULES.get(str(error.validator))
    return {"field": field, "rule": rule(error.validator_value) if rule else "as its schema says"}


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _with_nul(field: str, value: Any) -> Iterable[str]:
    """Where a NUL is, which JSON can say and Postgres cannot hold."""
    match value:
        case str() if "\0" in value:
            yield field
        case dict():
            for name, inner in value.items():
                yield from [field] if "\0" in name else _with_nul(f"{field}.{name}", inner)
        case list():
            for place, inner in enumerate(value):
                yield from _with_nul(f"{field}.{place}", inner)
