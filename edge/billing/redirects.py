"""Where people may be sent after they paid: only to our own origins; the pay page vouches for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from edge.errors import invalid

MAX_LENGTH: Final = 2000
RULE: Final = f"a URL of up to {MAX_LENGTH} characters on an allowed origin"

# Nothing that browsers and parsers read differently: only visible ASCII and no backslash. The origin
# ends where a path, a query or a fragment begins; user names, other ports and suffixes make it another one.
_URL = re.compile(r"(?P<origin>https?://[^/?#]+)([/?#].*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[!-\[\]-~]+")


class Redirects:
    """The addresses that Stripe may send people to."""

    def __init__(self, site_url: str, origins: Iterable[str]) -> None:
        self._site_url = site_url
        self._origins = frozenset(origin.lower() for origin in (*origins, origin_of(site_url)))

    def allowed(self, field: str, url: str | None, default: str) -> str:
        """The URL that was asked for, or that path of our site; raises `validation_failed`."""
        if url is None:
            return self._site_url + default
        match = _URL.fullmatch(url) if len(url) <= MAX_LENGTH and _PLAIN.fullmatch(url) else None
        if match is None or match["origin"].lower() not in self._origins:
            raise invalid({"field": field, "rule": RULE})
        return url


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked already."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(url)
    return match["origin"]
