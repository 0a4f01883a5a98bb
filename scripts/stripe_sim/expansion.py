"""`expand[]`: ids become the objects that they name, and lists that are left out come along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scripts.stripe_sim.account import Account, copied
from scripts.stripe_sim.checkout import lines_of
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.lists import listed
from scripts.stripe_sim.store import Document

KINDS: Mapping[str, str] = {
    "ch": "charge",
    "cus": "customer",
    "cs": "checkout.session",
    "dp": "dispute",
    "in": "invoice",
    "pi": "payment_intent",
    "py": "charge",
    "pyr": "refund",
    "pm": "payment_method",
    "price": "price",
    "prod": "product",
    "re": "refund",
    "sub": "subscription",
    "txn": "balance_transaction",
}
MAX_DEPTH = 4


def _lines(account: Account, session: str) -> Document:
    lines = lines_of(account, account.get("checkout.session", session))
    return listed(lines, f"/v1/checkout/sessions/{session}/line_items")


def _included(kind: str, reference: str, url: str) -> Callable[[Account, str], Document]:
    def include(account: Account, id_: str) -> Document:
        found = account.all(kind, **{reference: id_})
        return listed(found[::-1], url.replace("{}", id_))

    return include


def _live_subscriptions(account: Account, customer: str) -> Document:
    found = [each for each in account.all("subscription", customer=customer) if each["status"] != "canceled"]
    return listed(found[::-1], f"/v1/customers/{customer}/subscriptions")


INCLUDABLE: Mapping[tuple[str, str], Callable[[Account, str], Document]] = {
    ("charge", "refunds"): _included("refund", "charge", "/v1/charges/{}/refunds"),
    ("checkout.session", "line_items"): _lines,
    ("customer", "subscriptions"): _live_subscriptions,
    ("invoice", "payments"): _included("invoice_payment", "invoice", "/v1/invoice_payments?invoice={}"),
}


def expanded(account: Account, document: Document, paths: list[str]) -> Document:
    """A copy with these paths expanded, a level of the path at a time."""
    result = copied(document)
    for path in paths:
        keys = path.split(".")
        if len(keys) - ("data" in keys) > MAX_DEPTH:
            raise invalid(f"You cannot expand more than {MAX_DEPTH} levels of a property.", "expand")
        _expand(account, result, keys, path)
    return result


def _expand(account: Account, node: Any, keys: list[str], path: str) -> None:
    if not keys or node is None:
        return
    if isinstance(node, list):
        for item in node:
            _expand(account, item, keys, path)
        return
    key, rest = keys[0], keys[1:]
    include = INCLUDABLE.get((node.get("object", ""), key)) if isinstance(node, dict) else None
    if include and node.get(key) is None:
        node[key] = include(account, node["id"])
    if not isinstance(node, dict) or key not in node:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    if isinstance(node[key], str):
        node[key] = _object(account, node[key], path)
    _expand(account, node[key], rest, path)


def _object(account: Account, id_: str, path: str) -> Document:
    kind = KINDS.get(id_.partition("_")[0], "")
    found = account.find(kind, id_) if kind else None
    if found is None:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    return copied(found)
