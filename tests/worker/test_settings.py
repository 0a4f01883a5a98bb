from __future__ import annotations

import pytest

from edge.settings import SettingsError
from edge.worker.settings import load_worker_settings

COMPLETE = {
    "EDGE_DATABASE_URL": "postgresql://edge_service:hunter2-hunter2@127.0.0.1:5432/postgres",
    "SMTP_URL": "smtp://mailer:p%40ss-w0rd@smtp.example.com",
    "MAIL_FROM": "Acme <noreply@example.com>",
    "SITE_URL": "https://app.example.com/",
    "EDGE_URL": "https://edge.example.com",
    "STRIPE_SECRET_KEY": "sk_live_of_nobody",
}


def test_a_worker_knows_where_mail_goes_and_from_whom() -> None:
    settings = load_worker_settings({**COMPLETE, "MAIL_FROM": '"Acme, Inc." <noreply@example.com>'})
    assert (settings.mail_from.display_name, settings.mail_from.domain) == ("Acme, Inc.", "example.com")
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.use_tls) == ("smtp.example.com", 587, False)
    assert settings.smtp.password
    assert settings.smtp.password.reveal() == "p@ss-w0rd"
    assert "p@ss-w0rd" not in repr(settings)
    assert settings.site_url == "https://app.example.com"


def test_tls_from_the_start_has_its_own_port() -> None:
    settings = load_worker_settings({**COMPLETE, "SMTP_URL": "smtps://smtp.example.com"})
    assert (settings.smtp.port, settings.smtp.use_tls, settings.smtp.username) == (465, True, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "http://smtp.example.com"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://user@smtp.example.com"),
        ("SMTP_URL", "smtp://smtp.example.com/path"),
        ("SMTP_URL", "smtp://smtp.example.com:port"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "Acme <noreply@example.com\nBcc: eve@example.com>"),
        ("SITE_URL", "javascript:alert(1)"),
        ("EDGE_URL", ""),
        ("STRIPE_SECRET_KEY", "pk_live_of_nobody"),
    ],
)
def test_a_malformed_variable_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_worker_settings({**COMPLETE, name: value})
    (problem,) = caught.value.problems
    assert problem.startswith(name)
    assert not value or value not in problem
