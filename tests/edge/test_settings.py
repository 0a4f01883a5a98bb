from __future__ import annotations

import pytest

from edge.settings import SettingsError, load_settings

COMPLETE = {
    "EDGE_DATABASE_URL": "postgresql://edge_service:hunter2-hunter2@127.0.0.1:5432/postgres",
    "SUPABASE_URL": "https://project.supabase.example/",
    "SUPABASE_JWT_SECRET": "a-legacy-secret-of-more-than-32-characters",
    "SITE_URL": "https://app.example/",
    "STRIPE_SECRET_KEY": "sk_live_hunter2",
    "STRIPE_WEBHOOK_SECRET": "whsec_hunter2",
}


def test_the_key_set_and_the_issuer_follow_from_the_project_url() -> None:
    settings = load_settings(COMPLETE)
    assert settings.jwks_url == "https://project.supabase.example/auth/v1/.well-known/jwks.json"
    assert settings.jwt_issuer == "https://project.supabase.example/auth/v1"


def test_an_empty_variable_counts_as_unset() -> None:
    settings = load_settings({**COMPLETE, "EDGE_PORT": " ", "SUPABASE_JWT_SECRET": ""})
    assert settings.port == 8000
    assert settings.jwt_secret is None


def test_all_problems_are_told_at_once_and_by_name() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "EDGE_PORT": "eighty",
                "EDGE_WORKERS": "0",
                "EDGE_LOG_FORMAT": "xml",
                "EDGE_CORS_ORIGINS": "https://app.example/path",
                "SUPABASE_JWT_SECRET": "short",
                "SUPABASE_JWKS_URL": "file:///etc/passwd",
                "SITE_URL": "javascript:alert(1)",
                "STRIPE_API_BASE": "api.stripe.com",
                "STRIPE_WEBHOOK_SECRET": "whsec_1,whsec_2,whsec_3",
                "EDGE_REDIRECT_ORIGINS": "https://app.example/path",
            }
        )
    named = {problem.split()[0] for problem in caught.value.problems}
    assert named == {
        "EDGE_PORT",
        "EDGE_WORKERS",
        "EDGE_LOG_FORMAT",
        "EDGE_CORS_ORIGINS",
        "EDGE_DATABASE_URL",
        "SUPABASE_URL",
        "SUPABASE_JWT_SECRET",
        "SUPABASE_JWKS_URL",
        "SITE_URL",
        "STRIPE_API_BASE",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "EDGE_REDIRECT_ORIGINS",
    }


@pytest.mark.parametrize(
    "url",
    [
        "mysql://edge_service:hunter2@127.0.0.1/postgres",
        "postgresql://127.0.0.1/postgres",
        "postgresql://edge_service:hunter2@/postgres",
        "postgresql://edge_service:hunter2@127.0.0.1/postgres?no_such_option=1",
    ],
)
def test_a_malformed_database_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match="EDGE_DATABASE_URL") as caught:
        load_settings({**COMPLETE, "EDGE_DATABASE_URL": url})
    assert "hunter2" not in str(caught.value)


def test_secrets_are_in_no_representation() -> None:
    settings = load_settings(COMPLETE)
    for text in (repr(settings), str(settings), f"{settings.database_url} {settings.jwt_secret}"):
        assert "hunter2" not in text
        assert "legacy-secret" not in text
    assert settings.database_url.reveal() == COMPLETE["EDGE_DATABASE_URL"]


def test_stripe_is_the_real_one_unless_another_is_named() -> None:
    settings = load_settings(COMPLETE)
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert settings.site_url == "https://app.example"
    assert [secret.reveal() for secret in settings.stripe_webhook_secrets] == ["whsec_hunter2"]


def test_two_webhook_secrets_count_while_one_is_replaced() -> None:
    settings = load_settings({**COMPLETE, "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old"})
    assert [secret.reveal() for secret in settings.stripe_webhook_secrets] == ["whsec_new", "whsec_old"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_SECRET_KEY", "pk_live_hunter2"),
        ("STRIPE_SECRET_KEY", "sk_live_hunter2 twice"),
        ("STRIPE_WEBHOOK_SECRET", "hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2,"),
    ],
)
def test_what_cannot_be_a_key_of_stripe_is_refused_without_repeating_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings({**COMPLETE, name: value})
    assert "hunter2" not in str(caught.value)
