"""Sign-in with Google, at the stand-in, as a browser goes through it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from supabase import Client
from tests.gateway.conftest import NewClient
from tests.gateway.people import claims_of, methods_of, person_of

ADA, KATHERINE = "ada@example.com", "katherine@example.com"
SITE = "http://127.0.0.1:3000"


def sign_in_as(email: str, url: str) -> str:
    """Open the authorize URL, choose this account, and return where the browser ends up."""
    with httpx.Client() as browser:
        consent = browser.get(url, follow_redirects=True)
        form = form_of(email, consent.text)
        chosen = browser.post(urljoin(str(consent.url), form.pop("action")), data=form)
        callback = browser.get(chosen.headers["location"])
        return callback.headers["location"]


def form_of(email: str, page: str) -> dict[str, str]:
    """The fields of the form that signs this account in, and its action."""
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        fields = {
            unescape(name): unescape(value)
            for name, value in re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form)
        }
        action = re.search(r'action="([^"]*)"', form)
        if email in fields.values() and action:
            return {"action": unescape(action[1]), **fields}
    raise AssertionError(f"{email} has no account at the stand-in: {page}")


def carried_by(location: str) -> dict[str, str]:
    parts = urlsplit(location)
    carried = parse_qs(parts.query) | parse_qs(parts.fragment)
    return {name: values[0] for name, values in carried.items()}


def authorize_url(stack: Mapping[str, str], **query: str) -> str:
    return str(
        httpx.URL(f"{stack['SUPABASE_URL']}/auth/v1/authorize", params={"provider": "google", **query})
    )


def test_a_known_verified_address_lands_on_the_same_user(stack: Mapping[str, str], service: Client) -> None:
    known = service.table("profiles").select("id").eq("email", ADA).single().execute().data
    assert isinstance(known, dict)
    token = carried_by(sign_in_as(ADA, authorize_url(stack)))["access_token"]
    claims = claims_of(token)
    assert (claims["sub"], claims["email"]) == (known["id"], ADA)
    assert set(claims["app_metadata"]["providers"]) == {"email", "google"}
    assert methods_of(token) == ["oauth"]
    assert claims["user_role"] == "super_admin"


def test_an_unknown_address_becomes_one_user(stack: Mapping[str, str]) -> None:
    first, second = (
        claims_of(carried_by(sign_in_as(KATHERINE, authorize_url(stack)))["access_token"]) for _ in range(2)
    )
    assert first["email"] == KATHERINE
    assert first["sub"] == second["sub"]
    assert first["session_id"] != second["session_id"]


def test_with_pkce(new_client: NewClient) -> None:
    client = new_client()
    url = client.auth.sign_in_with_oauth({"provider": "google", "options": {"redirect_to": f"{SITE}/in"}}).url
    location = sign_in_as(KATHERINE, url)
    assert location.startswith(f"{SITE}/in?")
    code = carried_by(location)
    assert code.keys() == {"code"}
    person = person_of(client, client.auth.exchange_code_for_session({"auth_code": code["code"]}))
    assert methods_of(person.token) == ["oauth"]
    assert claims_of(person.token)["user_role"] == "user"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/in", "//evil.example", f"{SITE}@evil.example/"])
def test_the_allow_list_is_enforced(stack: Mapping[str, str], elsewhere: str) -> None:
    location = sign_in_as(KATHERINE, authorize_url(stack, redirect_to=elsewhere))
    assert location.startswith((f"{SITE}#", f"{SITE}/#"))


def test_a_forged_state_is_refused(stack: Mapping[str, str]) -> None:
    callback = f"{stack['SUPABASE_URL']}/auth/v1/callback"
    location = httpx.get(callback, params={"code": "x", "state": "forged"}).headers["location"]
    assert carried_by(location)["error_code"] == "bad_oauth_state"
    assert "access_token" not in location
