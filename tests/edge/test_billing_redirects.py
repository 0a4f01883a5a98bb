"""Where people may be sent after they paid."""

from __future__ import annotations

import pytest

from edge.billing.redirects import Redirects
from edge.errors import EdgeError

redirects = Redirects("https://app.example/shop", ["https://www.app.example", "http://127.0.0.1:3000"])


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "https://app.example/",
        "HTTPS://APP.EXAMPLE/Thanks",
        "https://app.example/orders/{ORDER_ID}?session={CHECKOUT_SESSION_ID}#paid",
        "https://app.example?next=https://evil.example",
        "https://www.app.example/a@b:c",
        "http://127.0.0.1:3000/x",
        "https://app.example/" + "a" * 1980,
    ],
)
def test_our_own_origins_are_allowed(url: str) -> None:
    assert redirects.allowed("success_url", url, "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//app.example",
        "app.example",
        "https:app.example",
        "https:///app.example",
        "https://evil.example",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://sub.app.example",
        "https://app.example:444",
        "https://app.example:443",
        "http://app.example",
        "http://127.0.0.1:30000",
        "http://127.0.0.1",
        "https://app.example@evil.example",
        "https://app.example:443@evil.example",
        "https://user@app.example",
        "https://user:password@app.example/",
        "https://evil.example/https://app.example",
        "https://evil.example?https://app.example",
        "https://app.example\\@evil.example",
        "https://app.example\\.evil.example",
        "https:\\\\app.example",
        "https://app.example\t.evil.example",
        "https://app.example/\nSet-Cookie: x",
        "https://app.example/\0",
        "https://app.example/ ",
        " https://app.example/",
        "https://app.example/é",
        "https://app。example/",
        "https://аpp.example/",  # noqa: RUF001  (a Cyrillic a)
        "https://app.example%2eevil.example",
        "https://app.example./",
        "https://[::1]/",
        "javascript:alert(1)",
        "javascript://app.example/%0aalert(1)",
        "data:text/html,x",
        "ftp://app.example/",
        "file:///etc/passwd",
        "https://{ORDER_ID}.app.example",
        "https://app.example/" + "a" * 1981,
    ],
)
def test_whatever_another_reader_could_take_for_another_origin_is_refused(url: str) -> None:
    with pytest.raises(EdgeError) as caught:
        redirects.allowed("success_url", url, "/")
    assert caught.value.code == "validation_failed"
    assert caught.value.members["field"] == "success_url"
    assert not url or url not in str(caught.value.hint)


def test_without_one_it_is_a_page_of_our_site() -> None:
    assert redirects.allowed("success_url", None, "/orders/{ORDER_ID}") == (
        "https://app.example/shop/orders/{ORDER_ID}"
    )
