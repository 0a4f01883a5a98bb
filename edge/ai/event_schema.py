"""What OpenAPI is told of a stream: a text, and the events that it is made of."""

from __future__ import annotations

from typing import Final

from litestar.openapi.spec import Reference, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType


def _event(name: str, description: str, data: Schema | Reference) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        description=description,
        properties={"event": Schema(const=name), "data": data},
        required=["event", "data"],
    )


def _object(**properties: Schema | Reference) -> Schema:
    return Schema(type=OpenAPIType.OBJECT, properties=properties, required=list(properties))


def _schema(name: str) -> Reference:
    return Reference(ref=f"#/components/schemas/{name}")


EVENTS: Final = Schema(
    type=OpenAPIType.STRING,
    description="Server-sent events whose data is JSON: any number of `delta`, then `done` or `error`.",
    content_schema=Schema(
        type=OpenAPIType.ARRAY,
        items=Schema(
            one_of=[
                _event(
                    "delta", "The next piece of the output.", _object(text=Schema(type=OpenAPIType.STRING))
                ),
                _event(
                    "done",
                    "All of the answer but its output.",
                    _object(
                        request_id=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
                        cached=Schema(type=OpenAPIType.BOOLEAN),
                        truncated=Schema(type=OpenAPIType.BOOLEAN),
                        usage=_schema("Usage"),
                        limits=Schema(one_of=[_schema("Limits"), Schema(type=OpenAPIType.NULL)]),
                    ),
                ),
                _event("error", "It broke off: what was said so far is not the answer.", _schema("Problem")),
            ]
        ),
    ),
)
