"""The application: what it is made of, and in which order."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler

from edge.ai.completions import Completions
from edge.ai.providers import Providers
from edge.ai.routes import AI_ROUTES
from edge.auth import TokenVerifier, provide_user
from edge.billing.redirects import Redirects
from edge.billing.routes import BILLING_ROUTES
from edge.billing.stripe_api import Stripe
from edge.billing.webhook import receive_event
from edge.buckets import Rate
from edge.database import Database
from edge.exchange import observed
from edge.health import health_router
from edge.jwks import Jwks
from edge.logs import configure_logs, log_exchange
from edge.me import read_me
from edge.metrics import Metrics, read_metrics
from edge.openapi import NEEDS_USER, openapi_config
from edge.operations import DocumentsOperations
from edge.problems import answer_with_problem
from edge.rate_limits import ADDRESS_LIMITS, AddressLimits, limit_person, require_user
from edge.request_id import HEADER
from edge.request_id_header import with_request_id
from edge.security_headers import add_security_headers
from edge.settings import Settings, load_settings
from edge.unsubscribe import unsubscribe_router

MAX_BODY_BYTES: Final = 1_048_576

USER_ROUTES: Final[Sequence[ControllerRouterHandler]] = (read_me, *BILLING_ROUTES, *AI_ROUTES)
"""Below /v1, each only for a signed-in user."""
OPEN_ROUTES: Final[Sequence[ControllerRouterHandler]] = (
    health_router,
    read_metrics,
    unsubscribe_router,
    receive_event,
)
"""For anyone who reaches the port, or with their own proof of who is asking."""


def create_app(
    settings: Settings,
    user_routes: Sequence[ControllerRouterHandler] = USER_ROUTES,
    open_routes: Sequence[ControllerRouterHandler] = OPEN_ROUTES,
) -> ASGIApp:
    """Build the service; it connects to nothing before it serves."""
    litestar = create_litestar(settings, user_routes, open_routes)
    return with_request_id(observed(litestar, log_exchange, litestar.state.metrics.count))


def create_litestar(
    settings: Settings,
    user_routes: Sequence[ControllerRouterHandler] = USER_ROUTES,
    open_routes: Sequence[ControllerRouterHandler] = OPEN_ROUTES,
    address_limits: Mapping[str, Rate] = ADDRESS_LIMITS,
) -> Litestar:
    """The routes and all that they need, without what watches them."""
    database = Database(settings.database_url, settings.pool_size)
    verifier = TokenVerifier(Jwks(settings.jwks_url), settings.jwt_issuer, settings.jwt_secret)
    metrics = Metrics(database)
    stripe = Stripe(settings.stripe_secret_key, settings.stripe_api_base)
    providers = Providers(
        (settings.anthropic_api_key, settings.anthropic_base_url),
        (settings.openai_api_key, settings.openai_base_url),
        settings.ai_deadline,
    )
    completions = Completions(database, providers, settings.ai_deadline, settings.ai_lease)
    redirects = Redirects(settings.site_url, settings.redirect_origins)

    @asynccontextmanager
    async def resources(_: Litestar) -> AsyncIterator[None]:
        async with database.opened(), stripe.opened(), providers.opened(), completions.opened():
            yield

    return Litestar(
        route_handlers=[_user_router(user_routes), *open_routes],
        state=State(
            {
                "database": database,
                "verifier": verifier,
                "metrics": metrics,
                "address_limits": AddressLimits(settings.trusted_proxies, address_limits),
            }
        ),
        dependencies={
            name: _always(thing)
            for name, thing in {
                "database": database,
                "stripe": stripe,
                "redirects": redirects,
                "completions": completions,
                "webhook_secrets": settings.stripe_webhook_secrets,
            }.items()
        },
        lifespan=[resources],
        exception_handlers={Exception: answer_with_problem},
        before_send=[add_security_headers],
        cors_config=_cors(settings.cors_origins),
        openapi_config=openapi_config(),
        plugins=[DocumentsOperations()],
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
        debug=False,
    )


def create_worker_app() -> ASGIApp:
    """What each worker process of the server loads."""
    # A forked worker has the supervisor's handlers until the server gives it its own. Told to stop
    # meanwhile it would only take note, go on for ever, and hold up the end of all.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    settings = load_settings(os.environ)
    configure_logs(settings.log_format)
    return create_app(settings)


def _always(thing: object) -> Provide:
    return Provide(lambda: thing, sync_to_thread=False, use_cache=True)


def _user_router(routes: Sequence[ControllerRouterHandler]) -> Router:
    return Router(
        "/v1",
        route_handlers=routes,
        guards=[require_user, limit_person],
        dependencies={"user": Provide(provide_user)},
        security=NEEDS_USER,
        tags=["user"],
    )


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", HEADER],
        expose_headers=[HEADER, "Retry-After"],
    )
