"""What a resource declares: which request runs which operation on which parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.lists import PAGING, page_of
from scripts.stripe_sim.store import Document

Params = dict[str, Any]
Operation = Callable[..., Document]
"""Called with the account, the parameters and the ids of the path."""


@dataclass(frozen=True)
class Route:
    """`POST /v1/refunds/{}`, the operation, and the SDK's type of its parameters."""

    method: str
    path: str
    operation: Operation
    params: type

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path.replace("{}", "([^/]+)"))


def retrieving(kind: str) -> Operation:
    """GET of one object; a deleted one shows that it is."""

    def retrieve(account: Account, _: Params, id_: str) -> Document:
        return account.get(kind, id_)

    return retrieve


def listing(kind: str, url: str) -> Operation:
    """GET of the objects of a kind, filtered by equality of fields."""

    def list_(account: Account, params: Params) -> Document:
        wanted = {name: value for name, value in params.items() if name not in PAGING}
        references = {name: value for name, value in wanted.items() if name in _REFERENCES}
        return page_of(account, kind, params, url, lambda document: _matches(document, wanted), **references)

    return list_


_REFERENCES = frozenset({"customer", "product", "charge", "payment_intent", "subscription", "invoice"})


def _matches(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(document.get(name) == value for name, value in wanted.items())


def find_route(routes: Iterable[Route], method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of this request, with the ids in its path."""
    for route in routes:
        if route.method == method and (match := route.pattern.fullmatch(path)):
            return route, match.groups()
    return None
