"""The document at /schema."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme

from edge.rate_limits import OPTION, limit_address

BEARER: Final = "access_token"
NEEDS_USER: Final[list[SecurityRequirement]] = [{BEARER: []}]


def openapi_config() -> OpenAPIConfig:
    """OpenAPI as JSON only: a documentation page would load scripts from other hosts."""
    return OpenAPIConfig(
        title="Groundwork edge",
        version="1",
        description="What client apps and Stripe ask of the edge; all errors are problem+json.",
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                BEARER: SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="JWT",
                    description="The access token of a Supabase Auth session.",
                )
            }
        ),
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            after_request=_no_html,
            guards=[limit_address],
            opt={OPTION: "schema"},
        ),
    )


async def _no_html(response: Response[Any]) -> Response[Any]:
    """Litestar answers unknown paths below /schema with a page of its own."""
    if response.status_code == 404:
        raise NotFoundException
    return response
