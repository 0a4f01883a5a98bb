"""What the document at /schema says of each route beyond what Litestar finds by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from edge.problems import PROBLEM_JSON

_WAIT: Final = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.INTEGER, minimum=1), description="Seconds to wait before the next try."
)
_ALWAYS_SENT: Final = ("429",)
_SENT_IF_KNOWN: Final = ("503",)


@dataclass
class Documented(Operation):
    """An operation whose errors are all problems."""

    def __post_init__(self) -> None:
        responses = self.responses or {}
        # Litestar's own shape of a failed validation, which `answer_with_problem` never lets out.
        if not _is_problem(responses.get("400")):
            responses.pop("400", None)
        for status in (*_ALWAYS_SENT, *_SENT_IF_KNOWN):
            response = responses.get(status)
            if isinstance(response, OpenAPIResponse) and _is_problem(response):
                response.headers = {**(response.headers or {}), "Retry-After": _WAIT}
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = not _may_be_left_out(self.request_body)


class DocumentsOperations(ReceiveRoutePlugin):
    """Makes every operation a `Documented` one."""

    def receive_route(self, route: BaseRoute) -> None:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.operation_class is Operation:
                    handler.operation_class = Documented


def _is_problem(response: object) -> bool:
    return isinstance(response, OpenAPIResponse) and PROBLEM_JSON in (response.content or {})


def _may_be_left_out(body: RequestBody) -> bool:
    """Where the type of the body allows none."""
    schemas = [media.schema for media in body.content.values()]
    return any(
        isinstance(schema, Schema)
        and any(
            isinstance(choice, Schema) and choice.type is OpenAPIType.NULL for choice in schema.one_of or ()
        )
        for schema in schemas
    )
