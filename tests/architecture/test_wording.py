"""Every declared template is worded, with the parameters that it declares and no others."""

from typing import Any

import pytest
from jinja2 import Environment, UndefinedError, meta

from edge.emails.rendering import LINKS_AND_NAMES, WORDING, UnknownTemplateError, Wording
from tests.acting import World


def declared(world: World) -> dict[str, dict[str, str]]:
    rows = world.as_dba("select template, params from jobs.email_templates")
    return {row["template"]: row["params"] for row in rows}


def test_declared_and_worded_templates_are_the_same(world: World) -> None:
    worded = {path.stem for path in WORDING.glob("*.txt")}
    assert worded == {path.stem for path in WORDING.glob("*.html")} - {"layout", "parts"}
    assert worded == set(declared(world))


def test_the_wording_uses_what_is_declared(world: World) -> None:
    environment = Environment()  # noqa: S701 - it only parses
    environment.filters.update(dict.fromkeys(("name", "day", "moment", "money"), str))
    for template, params in declared(world).items():
        for kind in ("txt", "html"):
            source = (WORDING / f"{template}.{kind}").read_text()
            used = meta.find_undeclared_variables(environment.parse(source))
            assert used <= set(params) | LINKS_AND_NAMES, f"{template}.{kind}"


def test_every_text_begins_with_its_subject() -> None:
    for path in WORDING.glob("*.txt"):
        first, second, *_ = path.read_text().splitlines()
        assert first.startswith("Subject: "), path.name
        assert second == "", path.name


@pytest.fixture
def wording() -> Wording:
    return Wording(product="Groundwork", site_url="https://app.example.com")


def test_a_missing_parameter_is_an_error_and_not_a_gap(wording: Wording) -> None:
    with pytest.raises(UndefinedError):
        wording.render("role_changed", {}, unsubscribe_url=None)


def test_an_unworded_template_is_told_apart(wording: Wording) -> None:
    with pytest.raises(UnknownTemplateError):
        wording.render("of_tomorrow", {}, unsubscribe_url=None)


@pytest.mark.parametrize("organization", ["Line\r\nBcc: eve@example.com", "a\nb"])
def test_a_subject_is_one_line_whatever_it_is_made_of(wording: Wording, organization: str) -> None:
    params: dict[str, Any] = {
        "organization": organization,
        "inviter": "Ada",
        "role": "member",
        "token": "t",
        "expires_at": "2026-01-01T00:00:00+00:00",
    }
    assert "\n" not in wording.render("organization_invitation", params, unsubscribe_url=None).subject


def test_mail_with_a_category_says_how_to_unsubscribe(world: World) -> None:
    rows = world.as_dba("select template from jobs.email_templates where category is not null")
    assert rows
    for row in rows:
        text, html = ((WORDING / f"{row['template']}.{kind}").read_text() for kind in ("txt", "html"))
        assert "{{ unsubscribe_url }}" in text, row["template"]
        assert '{% extends "layout.html" %}' in html, row["template"]


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1900, "USD", "19.00 USD"),
        (5, "EUR", "0.05 EUR"),
        (99999999, "EUR", "999,999.99 EUR"),
        (1900, "JPY", "1,900 JPY"),
        (1900, "KWD", "1.900 KWD"),
    ],
)
def test_money_is_shown_in_the_units_of_its_currency(
    wording: Wording, amount: int, currency: str, shown: str
) -> None:
    params = {"order_id": None, "amount": amount, "refunded": amount, "paid": amount, "currency": currency}
    rendered = wording.render("refund_issued", params, unsubscribe_url=None)
    for content in rendered:
        assert shown in content


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("v1.0 e.g. this", "v1.0 e.\N{WORD JOINER}g. this"),
        ("www.evil.example", "www.\N{WORD JOINER}evil.\N{WORD JOINER}example"),
        ("http://1.2.3.4/x", "http:\N{WORD JOINER}//1.2.3.4/x"),
        (
            "evil.भारत 💩.la a@b.co",
            "evil.\N{WORD JOINER}भारत 💩.\N{WORD JOINER}la a@\N{WORD JOINER}b.\N{WORD JOINER}co",
        ),
        ("x" * 81, "x" * 79 + "…"),
        (None, ""),
    ],
)
def test_what_people_typed_is_cut_and_never_a_link(wording: Wording, typed: str | None, shown: str) -> None:
    params = {"organization": "o", "inviter": typed, "role": "r", "token": "t", "expires_at": "2026-01-01"}
    text = wording.render("organization_invitation", params, unsubscribe_url=None).text
    assert text.startswith(f"{shown or 'Somebody'} invites you")
