"""From a template and its parameters to subject, text and HTML.

`wording/<template>.txt` is the mail as plain text, its first line `Subject: …`; `wording/<template>.html`
says the same in HTML. Both know the declared parameters and `LINKS_AND_NAMES`, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, select_autoescape

WORDING: Final = Path(__file__).parent / "wording"
LINKS_AND_NAMES: Final = frozenset({"product", "site_url", "unsubscribe_url"})
"""For every template, beside its parameters: the sender's name, the app, the link that unsubscribes."""

_SUBJECT = "Subject: "
_NAME_LENGTH = 80
_LINKABLE = re.compile(r"(?<=\S)[.@\u3002\uff0e\uff61](?=[^\s\d.])|:(?=//)")
_WHOLE = (
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA",
    "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
_DIGITS = {**dict.fromkeys(_WHOLE, 0), **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3)}
"""How many digits the minor unit of a currency has, if not two; as Stripe counts them."""
_ENCODED_WORD = "=?"  # begins what mail programs, and Python, decode in a header


class UnknownTemplateError(Exception):
    """This worker has no wording for it; a newer one has."""


class Rendered(NamedTuple):
    subject: str
    text: str
    html: str


class Wording:
    """All templates, loaded when first used."""

    def __init__(self, **links_and_names: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(WORDING),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(name=_name, day=_day, moment=_moment, money=_money)
        self._links_and_names = links_and_names

    def render(self, template: str, params: Mapping[str, Any], *, unsubscribe_url: str | None) -> Rendered:
        """Fill a template; raises `UnknownTemplateError`, or jinja2's error if the parameters do not fit."""
        variables = {**params, **self._links_and_names, "unsubscribe_url": unsubscribe_url}
        try:
            text = self._environment.get_template(f"{template}.txt").render(variables)
            html = self._environment.get_template(f"{template}.html").render(variables)
        except TemplateNotFound as error:
            raise UnknownTemplateError(str(error)) from error
        subject, _, body = text.partition("\n")
        return Rendered(_one_line(subject.removeprefix(_SUBJECT)), f"{body.strip()}\n", html)


def _one_line(subject: str) -> str:
    """Nobody writes headers for us, neither by line breaks nor by encoded words that decode to some."""
    return " ".join(subject.split()).replace(_ENCODED_WORD, "=\N{WORD JOINER}?")


def _name(text: str | None) -> str:
    """What somebody called something, if they did: cut, and never made a link in a mail under our name."""
    if text is None:
        return ""
    cut = text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 1]}…"
    return _LINKABLE.sub("\\g<0>\N{WORD JOINER}", cut)


def _day(timestamp: str) -> str:
    return f"{_parsed(timestamp):%-d %B %Y}"


def _moment(timestamp: str) -> str:
    return f"{_parsed(timestamp):%-d %B %Y, %H:%M} UTC"


def _money(amount: int, currency: str) -> str:
    """Minor units as people write them: 1,900.00 USD, 1,900 JPY."""
    digits = _DIGITS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-digits):,.{digits}f} {currency}"


def _parsed(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp).astimezone(UTC)
