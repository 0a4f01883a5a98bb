"""What the environment tells the process: read once, checked whole, never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


class Secret:
    """A text that is used but never shown: its repr says nothing."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that may differ between two deployments of the same code."""

    host: str
    port: int
    workers: int
    log_format: Literal["json", "console"]
    cors_origins: tuple[str, ...]
    trusted_proxies: int
    """Proxies in front of the edge that append to X-Forwarded-For; 0: the header is not believed."""
    database_url: Secret
    pool_size: int
    """Connections that one worker may hold open."""
    jwks_url: str
    jwt_issuer: str
    jwt_secret: Secret | None
    """Legacy HS256 secret; without it only tokens signed by a key of the JWKS are accepted."""
    stripe_secret_key: Secret
    stripe_api_base: str
    stripe_webhook_secrets: tuple[Secret, ...]
    """Those whose signatures count: two while one replaces the other."""
    site_url: str
    """The app: where people come back to from Stripe unless the app says otherwise."""
    redirect_origins: tuple[str, ...]
    """Beside the app's own, the origins that people may come back to."""
    anthropic_api_key: Secret | None
    """Without it, features that ask Anthropic answer provider_unavailable."""
    anthropic_base_url: str
    openai_api_key: Secret | None
    """Without it, features that ask OpenAI answer provider_unavailable."""
    openai_base_url: str
    ai_deadline: int
    """Seconds that a call of a model may take with all its attempts."""
    ai_lease: int
    """Seconds after which a call whose edge says nothing is taken over."""


class SettingsError(Exception):
    """The environment is incomplete or malformed; `problems` names every variable concerned."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Cannot start:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `environ`; an empty variable counts as unset.

    Raises `SettingsError` with all problems at once. Values are never repeated in messages.
    """
    values = read_variables(environ, _VARIABLES)
    auth_url = f"{values.pop('supabase_url')}/auth/v1"
    values["jwks_url"] = values["jwks_url"] or f"{auth_url}/.well-known/jwks.json"
    values["jwt_issuer"] = values["jwt_issuer"] or auth_url
    return Settings(**values)


class Variable(NamedTuple):
    """One setting: the field that it fills, where it comes from, and what it must be."""

    field: str
    name: str
    default: str | None
    parse: Callable[[str], object]
    rule: str


def read_variables(environ: Mapping[str, str], variables: Iterable[Variable]) -> dict[str, Any]:
    """The parsed value of each variable by its field; raises `SettingsError` with all problems at once."""
    values: dict[str, Any] = {}
    problems = []
    for variable in variables:
        text = environ.get(variable.name, "").strip() or variable.default
        if text is None:
            problems.append(f"{variable.name} is missing; it must be {variable.rule}")
            continue
        try:
            values[variable.field] = variable.parse(text)
        except ValueError:
            problems.append(f"{variable.name} must be {variable.rule}")
    if problems:
        raise SettingsError(problems)
    return values


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not lowest <= number <= highest:
            raise ValueError
        return number

    return parse


def http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    return text.rstrip("/")


def _optional_http_url(text: str) -> str:
    return http_url(text) if text else ""


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(http_url(origin.strip()) for origin in text.split(",") if origin.strip())
    if any(urlsplit(origin).path for origin in origins):
        raise ValueError
    return origins


def _database_url(text: str) -> Secret:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        raise ValueError from None
    if not parts.get("host") or not parts.get("user"):
        raise ValueError
    return Secret(text)


def _jwt_secret(text: str) -> Secret | None:
    if text and len(text) < 32:
        raise ValueError
    return Secret(text) if text else None


def _api_key(text: str) -> Secret | None:
    if text and not _API_KEY.fullmatch(text):
        raise ValueError
    return Secret(text) if text else None


_API_KEY = re.compile(r"[!-~]+")
_STRIPE_KEY = re.compile(r"[rs]k_[!-+\--~]+")
_WEBHOOK_SECRET = re.compile(r"whsec_[!-+\--~]+")


def _stripe_key(text: str) -> Secret:
    if not _STRIPE_KEY.fullmatch(text):
        raise ValueError
    return Secret(text)


def _webhook_secrets(text: str) -> tuple[Secret, ...]:
    secrets = [secret.strip() for secret in text.split(",")]
    if len(secrets) > 2 or not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
        raise ValueError
    return tuple(map(Secret, secrets))


def _log_format(text: str) -> str:
    if text not in {"json", "console"}:
        raise ValueError
    return text


LOG_FORMAT = Variable("log_format", "EDGE_LOG_FORMAT", "json", _log_format, "json or console")
DATABASE_URL = Variable(
    "database_url",
    "EDGE_DATABASE_URL",
    None,
    _database_url,
    "a URL like postgresql://edge_service:password@host:5432/postgres",
)

HTTP_URL = "an http(s) URL without query"
SITE_URL = Variable("site_url", "SITE_URL", None, http_url, HTTP_URL)
STRIPE_SECRET_KEY = Variable(
    "stripe_secret_key", "STRIPE_SECRET_KEY", None, _stripe_key, "a secret or restricted key: sk_… or rk_…"
)
STRIPE_API_BASE = Variable("stripe_api_base", "STRIPE_API_BASE", "https://api.stripe.com", http_url, HTTP_URL)
_VARIABLES = (
    Variable("host", "EDGE_HOST", "127.0.0.1", str, "an address to listen on"),
    Variable("port", "EDGE_PORT", "8000", integer(1, 65535), "a port number"),
    Variable("workers", "EDGE_WORKERS", "1", integer(1, 64), "a number of processes, 1 to 64"),
    LOG_FORMAT,
    Variable("cors_origins", "EDGE_CORS_ORIGINS", "", _origins, "origins (https://app.example), by comma"),
    Variable("trusted_proxies", "EDGE_TRUSTED_PROXIES", "0", integer(0, 10), "a number of proxies, 0 to 10"),
    DATABASE_URL,
    Variable("pool_size", "EDGE_POOL_SIZE", "10", integer(1, 200), "a number of connections, 1 to 200"),
    Variable("supabase_url", "SUPABASE_URL", None, http_url, HTTP_URL),
    Variable("jwks_url", "SUPABASE_JWKS_URL", "", _optional_http_url, HTTP_URL),
    Variable("jwt_issuer", "SUPABASE_JWT_ISSUER", "", _optional_http_url, HTTP_URL),
    Variable("jwt_secret", "SUPABASE_JWT_SECRET", "", _jwt_secret, "32 characters or longer"),
    STRIPE_SECRET_KEY,
    STRIPE_API_BASE,
    Variable(
        "stripe_webhook_secrets",
        "STRIPE_WEBHOOK_SECRET",
        None,
        _webhook_secrets,
        "the endpoint's secret, whsec_…; two by comma while one replaces the other",
    ),
    SITE_URL,
    Variable(
        "redirect_origins",
        "EDGE_REDIRECT_ORIGINS",
        "",
        _origins,
        "origins (https://app.example), by comma",
    ),
    Variable("anthropic_api_key", "ANTHROPIC_API_KEY", "", _api_key, "a key of visible characters"),
    Variable("anthropic_base_url", "ANTHROPIC_BASE_URL", "https://api.anthropic.com", http_url, HTTP_URL),
    Variable("openai_api_key", "OPENAI_API_KEY", "", _api_key, "a key of visible characters"),
    Variable("openai_base_url", "OPENAI_BASE_URL", "https://api.openai.com/v1", http_url, HTTP_URL),
    Variable("ai_deadline", "EDGE_AI_DEADLINE", "60", integer(1, 90), "a number of seconds, 1 to 90"),
    Variable("ai_lease", "EDGE_AI_LEASE", "15", integer(1, 60), "a number of seconds, 1 to 60"),
)
