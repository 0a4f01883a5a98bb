"""What the gateway is told about Auth is what config.toml says, but for a developer's machine."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from scripts.stack.auth import browser_origins, gateway_auth
from scripts.stack.errors import StackError
from scripts.stack.settings import Settings

CONFIG = """
[auth]
site_url = "env(SITE_URL)"
additional_redirect_urls = ["env(SITE_URL)", "env(NOT_SET)"]
[auth.email]
enable_confirmations = true
[auth.external.google]
enabled = true
client_id = "env(GOOGLE_CLIENT_ID)"
"""


def configured(project: Path, text: str) -> Settings:
    (project / "supabase").mkdir()
    (project / "supabase" / "config.toml").write_text(text)
    return Settings(project=project)


def test_variables_are_resolved_where_they_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_URL", "http://127.0.0.1:3000")
    auth = gateway_auth(configured(tmp_path, CONFIG))
    assert auth["site_url"] == "http://127.0.0.1:3000"
    assert auth["additional_redirect_urls"] == ["http://127.0.0.1:3000", "env(NOT_SET)"]


def test_google_is_the_stand_in_even_if_real_credentials_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLIENT_ID", "the-real-one")
    google = gateway_auth(configured(tmp_path, CONFIG))["external"]["google"]
    assert google == {"enabled": True, "client_id": "local-google-client", "secret": "local-google-secret"}


@pytest.mark.parametrize("asked", [False, True])
def test_sign_up_waits_for_the_e_mail_only_if_asked(tmp_path: Path, asked: bool) -> None:
    project = configured(tmp_path, CONFIG).project
    auth = gateway_auth(Settings(project=project, confirm_email=asked))
    assert auth["email"]["enable_confirmations"] is asked


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"config\.toml is not valid TOML: Expected"):
        gateway_auth(configured(tmp_path, "[auth"))


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"config\.toml is missing"):
        gateway_auth(Settings(project=tmp_path))


def test_only_what_a_browser_calls_an_origin_is_one() -> None:
    redirects = [
        "https://app.example.com/**",
        "https://app.example.com/welcome?from=mail",
        "https://*.preview.example.com/**",
        "com.example.app://signed-in",
        "env(NOT_SET)",
    ]
    auth = {"site_url": "http://127.0.0.1:3000", "additional_redirect_urls": redirects}
    assert browser_origins(auth) == ["http://127.0.0.1:3000", "https://app.example.com"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://127.0.0.1:3000", True), ("http://localhost:3000", True), ("http://localhost:3001", False)],
)
def test_browser_apps_that_may_sign_people_in_may_call_the_edge(
    stack: dict[str, str], origin: str, allowed: bool
) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = httpx.options(f"{stack['EDGE_URL']}/me", headers=asked)
    assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
