"""Lists: newest first, by cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.errors import invalid
from scripts.stripe_sim.store import Document

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
PAGING = frozenset({"limit", "starting_after", "ending_before", "expand", "created"})

Params = Mapping[str, Any]


def listed(data: Iterable[Any], url: str, *, has_more: bool = False) -> Document:
    """A list object."""
    return {"object": "list", "data": [*data], "has_more": has_more, "url": url}


def page_of(
    account: Account,
    kind: str,
    params: Params,
    url: str,
    fits: Callable[[Document], bool] = lambda document: True,
    **references: str,
) -> Document:
    """A page of the objects of a kind; those behind it are not even looked at."""
    ids = account.store.keys(kind, **references)[::-1]

    def wanted(id_: str) -> Document | None:
        document = account.get(kind, id_)
        live = not document.get("deleted") and _is_within(document, params.get("created"))
        return document if live and fits(document) else None

    return _page(ids, wanted, params, url)


def page_among(documents: Sequence[Document], params: Params, url: str) -> Document:
    """A page of these, in their order."""
    by_id = {document["id"]: document for document in documents}
    return _page([*by_id], by_id.get, params, url)


def _page(ids: Sequence[str], wanted: Callable[[str], Document | None], params: Params, url: str) -> Document:
    limit = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"This value must be between 1 and {MAX_LIMIT}.", "limit", "parameter_invalid_integer")
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You cannot parameterize both starting_after and ending_before.", "starting_after")
    backwards = "ending_before" in params
    if backwards:
        places: Iterable[str] = reversed(ids[: _place(ids, params, "ending_before")])
    else:
        start = _place(ids, params, "starting_after") + 1 if "starting_after" in params else 0
        places = islice(ids, start, None)
    found = [*islice((document for id_ in places if (document := wanted(id_))), limit + 1)]
    page = found[:limit]
    return listed(page[::-1] if backwards else page, url, has_more=len(found) > limit)


def _is_within(document: Document, when: Any) -> bool:
    """Whether it was made then: in an exact second, or gt, gte, lt, lte."""
    if when is None:
        return True
    created: int = document["created"]
    if isinstance(when, int):
        return created == when
    low = max(when.get("gte", 0), when.get("gt", -1) + 1)
    high = min(when.get("lte", 2**62), when.get("lt", 2**62) - 1)
    return bool(low <= created <= high)


def _place(ids: Sequence[str], params: Params, name: str) -> int:
    try:
        return ids.index(params[name])
    except ValueError:
        raise invalid(f"No such object: '{params[name]}'", name, "resource_missing") from None
