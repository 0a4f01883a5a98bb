"""The link in mails that people can unsubscribe from.

Looking at it changes nothing, because mail programs and scanners look at every link. The button on
the page, and the one-click of mail programs (RFC 8058), post to the same address.
"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from litestar import MediaType, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from edge import queries
from edge.database import Database
from edge.problems import problem_responses
from edge.rate_limits import OPTION, limit_address

Token = Annotated[UUID, QueryParameter(name="token", description="The token of the link.")]

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Unsubscribe</title>
{content}
</html>
"""
_QUESTION: Final = """<p>Do you want no more e-mails of this kind?</p>
<form method="post"><button>Unsubscribe</button></form>"""
_DONE: Final = "<p>You will get no more e-mails of this kind.</p>"

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
}
_ERRORS: Final = problem_responses(
    "not_found", "validation_failed", "rate_limited", "internal", "provider_unavailable"
)


def _page(content: str) -> Response[str]:
    return Response(_PAGE.format(content=content), media_type=MediaType.HTML, headers=_HEADERS)


@get(
    "/",
    sync_to_thread=False,
    media_type=MediaType.HTML,
    summary="Ask before unsubscribing",
    response_description="A page with one button",
    responses=_ERRORS,
)
def ask(token: Token) -> Response[str]:
    """A page with one button."""
    return _page(_QUESTION)


@post(
    "/",
    status_code=200,
    media_type=MediaType.HTML,
    summary="Unsubscribe",
    response_description="A page that says so",
    responses=_ERRORS,
)
async def unsubscribe(database: NamedDependency[Database], token: Token) -> Response[str]:
    """Ends mails of the category of the mail that this token came with; repeating it is harmless."""
    await database.as_service().call(queries.UNSUBSCRIBE, {"token": token})
    return _page(_DONE)


unsubscribe_router = Router(
    "/unsubscribe", route_handlers=[ask, unsubscribe], guards=[limit_address], opt={OPTION: "unsubscribe"}
)
