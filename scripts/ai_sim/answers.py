"""What the model says: the same for the same question, and about as long as a short answer is."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from scripts.ai_sim.dialect import Asked, Reply

BYTES_PER_TOKEN = 4
FRAME = 7
"""Tokens that a message takes beside its text."""
WORDS = 24
"""Of the question that are repeated in the answer."""

_LABELS = re.compile(r"<labels>(?P<list>.*)</labels>", re.DOTALL)
"""How a prompt offers words of which the answer is one."""
_TAGS = re.compile(r"</?[a-z]+>")
"""How a prompt marks what it is about; an answer does not repeat that."""


def count(text: str) -> int:
    """Tokens of a text."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def count_input(asked: Asked) -> int:
    """Tokens of a question: it pays for its instructions and for the frame of each message."""
    return count(asked.prompt) + FRAME * asked.messages


def digest_of(asked: Asked) -> str:
    """Of what decides the answer."""
    return hashlib.sha256(f"{asked.model}\0{asked.prompt}".encode()).hexdigest()


def reply_to(asked: Asked) -> Reply:
    """Cut off where the client wants no more tokens."""
    digest = digest_of(asked)
    if asked.schema is not None:
        text = json.dumps(_example(asked.schema, digest, _LABELS.sub("", asked.question)))
    elif labels := _LABELS.search(asked.question):
        offered = {"enum": labels["list"].strip().removeprefix("- ").split("\n- ")}
        text = str(_example(offered, digest, asked.question.replace(labels[0], "")))
    else:
        words = _TAGS.sub(" ", asked.question).split()
        text = f"In short ({digest[:8]}): {' '.join(words[:WORDS])}"
    kept = _at_most(asked.max_tokens, re.findall(r"\S+\s*|\s+", text))
    return Reply(
        pieces=tuple(kept),
        input_tokens=count_input(asked),
        output_tokens=count("".join(kept)),
        stop="end" if "".join(kept) == text else "length",
    )


def _at_most(tokens: int | None, pieces: list[str]) -> list[str]:
    """As many pieces as fit."""
    kept: list[str] = []
    for piece in pieces:
        if tokens is not None and count("".join([*kept, piece])) > tokens:
            break
        kept.append(piece)
    return kept


def _example(schema: Mapping[str, Any], digest: str, question: str) -> Any:
    """Something that fits the schema; of several words, one that the question has."""
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("enum"):
        said = [choice for choice in choices if str(choice).lower() in question.lower()]
        return said[0] if said else choices[int(digest, 16) % len(choices)]
    if alternatives := schema.get("anyOf"):
        return _example(alternatives[0], digest, question)
    if schema.get("type") == "object":
        properties: Mapping[str, Any] = schema.get("properties", {})
        return {name: _example(inner, digest, question) for name, inner in properties.items()}
    if schema.get("type") == "array":
        return [_example(schema.get("items", {}), digest, question)]
    return _scalar(schema.get("type"), digest)


def _scalar(kind: str | None, digest: str) -> Any:
    number = int(digest[:4], 16)
    return {
        "integer": number,
        "number": number / 0xFFFF,
        "boolean": number % 2 == 0,
        "null": None,
    }.get(kind or "", f"In short ({digest[:8]})")
