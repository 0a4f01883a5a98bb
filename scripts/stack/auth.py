"""The gateway's share of supabase/config.toml, with what differs on a developer's machine."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scripts.stack.errors import StackError
from scripts.stack.google import CLIENT_ID, CLIENT_SECRET
from scripts.stack.settings import Settings

ENV_REFERENCE = re.compile(r"env\((\w+)\)")


def gateway_auth(settings: Settings) -> dict[str, Any]:
    """[auth] with `env(NAME)` resolved, the stand-in as Google, and confirmations as the settings say."""
    path = settings.project / "supabase" / "config.toml"
    try:
        auth: dict[str, Any] = _resolve(tomllib.loads(path.read_text()).get("auth", {}))
    except FileNotFoundError:
        raise StackError(f"{path} is missing: it says how Auth behaves.") from None
    except tomllib.TOMLDecodeError as error:
        raise StackError(f"{path} is not valid TOML: {error}.") from None
    auth.setdefault("email", {})["enable_confirmations"] = settings.confirm_email
    google = auth.setdefault("external", {}).setdefault("google", {})
    google.update(client_id=CLIENT_ID, secret=CLIENT_SECRET)
    return auth


def site_url(settings: Settings) -> str:
    """Where links in e-mails lead: the app's address as Auth knows it, or that of an app in development."""
    try:
        return str(gateway_auth(settings)["site_url"])
    except (StackError, KeyError):
        return "http://127.0.0.1:3000"


def browser_origins(auth: Mapping[str, Any]) -> list[str]:
    """From where browser apps may sign people in; wildcards and schemes of native apps are no origins."""
    redirects = [auth.get("site_url", ""), *auth.get("additional_redirect_urls", [])]
    urls = [urlsplit(url) for url in redirects]
    return [
        *dict.fromkeys(
            f"{url.scheme}://{url.netloc}"
            for url in urls
            if url.scheme in {"http", "https"} and url.netloc and "*" not in url.netloc
        )
    ]


def _resolve(value: Any) -> Any:
    """Like the Supabase CLI: a variable that is not set leaves its reference as it is."""
    if isinstance(value, dict):
        return {key: _resolve(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item) for item in value]
    if isinstance(value, str) and (reference := ENV_REFERENCE.fullmatch(value)):
        return os.environ.get(reference[1], value)
    return value
