"""Form encoding as Stripe's SDKs write it: `items[0][price]=price_1&expand[]=customer`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from scripts.stripe_sim.errors import refused_param

Node = dict[str, Any]
MAX_DEPTH = 10


def decode(text: str) -> dict[str, Any]:
    """The nested parameters of a query or body: texts and dicts; a list is a dict by position."""
    root: Node = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _put(root, _keys(name), value, name)
    return root


def _keys(name: str) -> list[str]:
    first, bracket, rest = name.partition("[")
    if not bracket:
        return [first]
    if not rest.endswith("]") or rest.count("[") >= MAX_DEPTH:
        raise refused_param(f"Invalid parameter name: {name}", name)
    return [first, *rest[:-1].split("][")]


def _put(node: Node, keys: list[str], value: str, name: str) -> None:
    for index, key in enumerate(keys):
        slot = key or str(len(node))
        if index == len(keys) - 1:
            node[slot] = value
            return
        node = node.setdefault(slot, {})
        if not isinstance(node, dict):
            raise refused_param(f"Invalid parameter: {name}", name)
