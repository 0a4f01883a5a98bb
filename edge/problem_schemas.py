"""What a problem looks like, and what some of them say more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every error; an error may add members of its own."""

    type: str
    title: str
    status: int
    code: Annotated[str, Meta(description="One of the catalogue's, for programs.")]
    detail: Annotated[str, Meta(description="What is wrong, for people.")]
    hint: Annotated[str, Meta(description="What they can do about it.")] | None = None
    request_id: (
        Annotated[str, Meta(description="As in X-Request-Id: finds the request in the logs.")] | None
    ) = None


class Broken(msgspec.Struct):
    """A rule that a request breaks."""

    field: Annotated[str, Meta(description="Where, for instance `items.0.quantity`.")]
    rule: Annotated[str, Meta(description="What it must be.")]


class ValidationProblem(Problem, kw_only=True):
    """`validation_failed`."""

    field: Annotated[str | None, Meta(description="Where the first broken rule is.")] = None
    rule: Annotated[str | None, Meta(description="What it must be.")] = None
    errors: Annotated[list[Broken] | None, Meta(description="The first ten.")] = None


class RateProblem(Problem, kw_only=True):
    """`rate_limited`."""

    limit: Annotated[str, Meta(description="Which limit.")]
    retry_after: Annotated[int, Meta(description="Seconds to wait, as in the header.")]


class Upgrade(msgspec.Struct):
    """A plan that would help."""

    plan: str
    name: str
    unit_amount: Annotated[int | None, Meta(description="In minor units of the currency.")]
    currency: str | None
    interval: str | None


class QuotaProblem(Problem, kw_only=True):
    """`quota_exceeded`: all that a dialog needs."""

    action: str
    name: Annotated[str, Meta(description="What people call the action.")]
    plan: Annotated[str | None, Meta(description="The one that counts.")]
    reason: Literal["hard_limit", "cost_limit", "not_in_plan"]
    limit: Annotated[
        int | None,
        Meta(description="How often; with `cost_limit` millionths of a US dollar, as the next three."),
    ]
    used: int
    held: Annotated[int, Meta(description="Of calls that are under way.")]
    requested: int
    resets_at: Annotated[str, Meta(description="When the month ends, in UTC.")]
    scope: Literal["user"]
    upgrade: Annotated[
        Upgrade | None,
        Meta(description="The cheapest plan under which this call would pass; null if none would help."),
    ]


class UnavailableProblem(Problem, kw_only=True):
    """`provider_unavailable`; where all together have spent what they may, with members that say so."""

    action: str | None = None
    reason: Literal["budget"] | None = None
    scope: (
        Annotated[str, Meta(description="`installation`: what all may spend this month is spent.")] | None
    ) = None
    resets_at: Annotated[str, Meta(description="When that month ends, in UTC.")] | None = None


SHAPES: Final[Mapping[str, type[Problem]]] = {
    "validation_failed": ValidationProblem,
    "rate_limited": RateProblem,
    "quota_exceeded": QuotaProblem,
    "provider_unavailable": UnavailableProblem,
}
"""By code; all others are a plain `Problem`."""
