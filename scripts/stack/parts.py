"""The parts of the stack, declared: what runs each, with what, and how one sees that it works."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.stack.auth import browser_origins, gateway_auth
from scripts.stack.google import seed
from scripts.stack.health import accepts_logins, answers
from scripts.stack.postgres import Postgres
from scripts.stack.secrets import Secrets
from scripts.stack.server import Server
from scripts.stack.settings import HOST, PROVIDER_KEYS, PROVIDER_VARIABLES, ROOT, Settings
from scripts.stack.toolchain import node


@dataclass(frozen=True, kw_only=True)
class Part(Server):
    """One server of the stack."""

    name: str
    ports: tuple[int, ...]
    is_healthy: Callable[[], bool]
    needs_database: bool = False


@dataclass(frozen=True)
class Context:
    """What the declarations are made from."""

    settings: Settings
    secrets: Secrets
    postgres: Postgres
    env: Mapping[str, str]
    """What `stack.env` tells every client."""

    def select(self, *names: str) -> dict[str, str]:
        return {name: self.env[name] for name in names}

    def select_providers(self) -> dict[str, str]:
        """Keys and addresses of the AI providers: of the stand-in, unless real ones were asked for."""
        return {name: self.env[name] for name in PROVIDER_VARIABLES if name in self.env}


def postgres(context: Context) -> Part:
    return Part(
        name="postgres",
        command=context.postgres.command,
        ports=(context.settings.postgres_port,),
        is_healthy=lambda: accepts_logins(context.postgres.url("supabase_admin")),
        account=context.postgres.account,
        stop_signal=signal.SIGINT,  # "fast": without waiting for clients to leave
    )


def google(context: Context) -> Part:
    settings = context.settings
    seed_file = settings.state / "google.json"
    return Part(
        name="google",
        command=node(
            "node_modules/emulate/dist/index.js",
            "start",
            "--service=google",
            f"--host={HOST}",
            f"--port={settings.google_port}",
            f"--seed={seed_file}",
        ),
        ports=(settings.google_port,),
        is_healthy=lambda: answers(f"{settings.google_url}/.well-known/openid-configuration"),
        files={seed_file: seed(settings)},
    )


def mailbox(context: Context) -> Part:
    settings = context.settings
    return Part(
        name="mailbox",
        command=node(
            "node_modules/maildev/dist/bin/maildev.js",
            f"--ip={HOST}",
            f"--smtp={settings.smtp_port}",
            f"--web-ip={HOST}",
            f"--web={settings.mail_port}",
            "--max-emails=1000",
        ),
        ports=(settings.mail_port, settings.smtp_port),
        is_healthy=lambda: answers(f"{settings.mail_url}/api/healthz"),
    )


def stripe(context: Context) -> Part:
    settings = context.settings
    return Part(
        name="stripe",
        command=(sys.executable, "-m", "scripts.stripe_sim"),
        ports=(settings.stripe_port,),
        is_healthy=lambda: answers(f"{settings.stripe_url}/_sim/health"),
        sources=ROOT / "scripts" / "stripe_sim",
        env={
            "STRIPE_SIM_HOST": HOST,
            "STRIPE_SIM_PORT": str(settings.stripe_port),
            "STRIPE_SIM_STATE": str(settings.stripe_state / "simulator.sqlite"),
            "STRIPE_WEBHOOK_URL": f"{settings.edge_url}/webhooks/stripe",
            **context.select("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
        },
    )


def ai(context: Context) -> Part:
    settings = context.settings
    keys = stand_in_ai(settings, context.secrets)
    return Part(
        name="ai",
        command=(sys.executable, "-m", "scripts.ai_sim"),
        ports=(settings.ai_port,),
        is_healthy=lambda: answers(f"{settings.ai_url}/_sim/health"),
        sources=ROOT / "scripts" / "ai_sim",
        env={
            "AI_SIM_HOST": HOST,
            "AI_SIM_PORT": str(settings.ai_port),
            **{name: keys[name] for name in PROVIDER_KEYS},
        },
    )


def stand_in_ai(settings: Settings, secrets: Secrets) -> dict[str, str]:
    """How the SDKs of the AI providers find the stand-in."""
    return {
        "ANTHROPIC_BASE_URL": f"{settings.ai_url}/anthropic",
        "ANTHROPIC_API_KEY": secrets.ai("sk-ant"),
        "OPENAI_BASE_URL": f"{settings.ai_url}/openai/v1",
        "OPENAI_API_KEY": secrets.ai("sk"),
    }


def gateway(context: Context) -> Part:
    settings = context.settings
    return Part(
        name="gateway",
        command=node("scripts/gateway/main.mjs"),
        ports=(settings.gateway_port,),
        is_healthy=lambda: answers(f"{settings.supabase_url}/health"),
        needs_database=True,
        sources=ROOT / "scripts" / "gateway",
        env={
            "GATEWAY_PORT": str(settings.gateway_port),
            "GATEWAY_DATABASE_URL": context.postgres.url("supabase_lite"),
            "GATEWAY_SIGNING_JWK": json.dumps(context.secrets.signing_jwk),
            "GATEWAY_STORAGE_DIR": str(settings.storage),
            "GATEWAY_AUTH": json.dumps(gateway_auth(settings)),
            **context.select("SUPABASE_JWT_SECRET", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
            **context.select("SMTP_URL", "GOOGLE_URL"),
        },
    )


def edge(context: Context) -> Part:
    settings = context.settings
    origins = ",".join(browser_origins(gateway_auth(settings)))
    return Part(
        name="edge",
        command=(sys.executable, "-m", "edge"),
        ports=(settings.edge_port,),
        is_healthy=lambda: answers(f"{settings.edge_url}/health/ready"),
        needs_database=True,
        sources=ROOT / "edge",
        env={
            "EDGE_HOST": HOST,
            "EDGE_PORT": str(settings.edge_port),
            "EDGE_CORS_ORIGINS": origins,
            "EDGE_REDIRECT_ORIGINS": origins,
            **context.select("EDGE_DATABASE_URL", "SUPABASE_URL", "SUPABASE_JWKS_URL", "SUPABASE_JWT_SECRET"),
            **context.select("STRIPE_API_BASE", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "SITE_URL"),
            **context.select_providers(),
        },
    )


def worker(context: Context) -> Part:
    settings = context.settings
    return Part(
        name="worker",
        command=(sys.executable, "-m", "edge.worker"),
        ports=(settings.worker_port,),
        is_healthy=lambda: answers(f"{settings.worker_url}/health/ready"),
        needs_database=True,
        sources=ROOT / "edge",
        env={
            "WORKER_HOST": HOST,
            "WORKER_PORT": str(settings.worker_port),
            **context.select("EDGE_DATABASE_URL", "EDGE_URL", "SITE_URL", "SMTP_URL", "MAIL_FROM"),
            **context.select("STRIPE_API_BASE", "STRIPE_SECRET_KEY"),
        },
    )


DECLARATIONS: Mapping[str, Callable[[Context], Part]] = {
    "postgres": postgres,
    "google": google,
    "mailbox": mailbox,
    "stripe": stripe,
    "ai": ai,
    "gateway": gateway,
    "edge": edge,
    "worker": worker,
}
