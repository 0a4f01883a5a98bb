"""POST /v1/ai/complete: a feature, an input, an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType
from litestar.params import BodyKwarg
from litestar.response import Stream
from msgspec import Meta

from edge import queries
from edge.ai.completions import Completion, Completions, Question
from edge.ai.event_schema import EVENTS
from edge.ai.events import MEDIA_TYPE, streamed
from edge.ai.inputs import check_input
from edge.auth import User
from edge.database import Database
from edge.operations import Documented
from edge.problems import USER_ERRORS, problem_responses


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What for and about what. Model, prompt and price are not the client's to choose."""

    feature: Annotated[str, Meta(min_length=1, max_length=50, description="For instance `summarize`.")]
    input: Annotated[dict[str, Any], Meta(description="As the feature's schema wants it.")]
    stream: Annotated[bool, Meta(description="Answer with server-sent events: delta, done, error.")] = False
    idempotency_key: (
        Annotated[
            str,
            Meta(min_length=1, max_length=200, description="A repetition gets the first answer, for a day."),
        ]
        | None
    ) = None


@dataclass
class AnsweredInEvents(Documented):
    """The route also answers with a stream, which a return type cannot say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        answer: Any = (self.responses or {}).get("200")
        if answer:
            answer.content[MEDIA_TYPE] = OpenAPIMediaType(schema=EVENTS)


_ASK: Final = Example(
    summary="A summary", value={"feature": "summarize", "input": {"text": "Ada met Grace. They talked."}}
)
_ANSWER: Final = ResponseSpec(
    Completion, description="The answer, at once or as events", generate_examples=False
)
_ERRORS: Final = problem_responses(
    *USER_ERRORS, "validation_failed", "not_found", "conflict", "quota_exceeded", "payload_too_large"
)


@post(
    "/ai/complete",
    status_code=200,
    rate_limit="ai",
    summary="Ask a model",
    operation_class=AnsweredInEvents,
    responses={
        200: ResponseSpec(
            Completion, description="The answer, at once or as events", generate_examples=False
        ),
        **_ERRORS,
    },
)
async def complete(
    database: NamedDependency[Database],
    completions: NamedDependency[Completions],
    user: NamedDependency[User],
    data: Annotated[Ask, BodyKwarg(media_type="application/json", examples=[_ASK])],
) -> Completion | Stream:
    """Answers from the cache, or asks the provider within the user's limits; counted once it has answered."""
    schema = await database.on_behalf_of(user).call(queries.AI_INPUT_SCHEMA, {"feature": data.feature})
    check_input(schema, data.input)
    question = Question(data.feature, data.input, data.idempotency_key)
    if data.stream:
        return await streamed(lambda say: completions.answer(user, question, say))
    return await completions.answer(user, question)


AI_ROUTES: Final = (complete,)
