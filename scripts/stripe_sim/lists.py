"""Lists: newest first, by cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.store import Document

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
PAGING = frozenset({"limit", "starting_after", "ending_before", "expand", "created"})


def listed(data: Sequence[Any], url: str, *, has_more: bool = False) -> Document:
    """A list object."""
    return {"object": "list", "data": [*data], "has_more": has_more, "url": url}


def paged(newest_first: Sequence[Document], params: Mapping[str, Any], url: str) -> Document:
    """The page that `limit`, `starting_after` and `ending_before` ask for."""
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"This value must be between 1 and {MAX_LIMIT}.", "limit", "parameter_invalid_integer")
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You cannot parameterize both starting_after and ending_before.", "starting_after")
    if "ending_before" in params:
        end = _place(newest_first, params["ending_before"], "ending_before")
        start = max(0, end - limit)
        return listed(newest_first[start:end], url, has_more=start > 0)
    start = 0
    if "starting_after" in params:
        start = _place(newest_first, params["starting_after"], "starting_after") + 1
    return listed(newest_first[start : start + limit], url, has_more=start + limit < len(newest_first))


def within(
    documents: Sequence[Document], params: Mapping[str, Any], field: str = "created"
) -> list[Document]:
    """Those whose time fits the filter: an exact second or gt, gte, lt, lte."""
    wanted = params.get(field)
    if wanted is None:
        return [*documents]
    if isinstance(wanted, int):
        return [document for document in documents if document[field] == wanted]
    low = max(wanted.get("gte", 0), wanted.get("gt", -1) + 1)
    high = min(wanted.get("lte", 2**62), wanted.get("lt", 2**62) - 1)
    return [document for document in documents if low <= document[field] <= high]


def _place(documents: Sequence[Document], id_: str, param: str) -> int:
    for index, document in enumerate(documents):
        if document["id"] == id_:
            return index
    raise invalid(f"No such object: '{id_}'", param, "resource_missing")
