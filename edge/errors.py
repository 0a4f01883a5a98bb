"""The catalogue of error codes, and the one exception that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict


class BrokenRule(TypedDict):
    """A place in a request, and what it must be."""

    field: str
    rule: str


class Meaning(NamedTuple):
    status: int
    text: str


CATALOGUE: Mapping[str, Meaning] = {
    "invalid_signature": Meaning(400, "The webhook's signature is missing, wrong or too old."),
    "not_authenticated": Meaning(401, "The request carries no valid session. Sign in, or refresh the token."),
    "quota_exceeded": Meaning(402, "The plan's limit for this action is used up until it resets."),
    "payment_required": Meaning(402, "The action needs a paid plan or a settled payment."),
    "forbidden": Meaning(403, "The caller is known but may not do this."),
    "not_found": Meaning(404, "The object does not exist, or the caller may not know that it does."),
    "method_not_allowed": Meaning(405, "The address exists, but not for this HTTP method."),
    "conflict": Meaning(
        409, "It collides with what exists, or its idempotency key was used for another request."
    ),
    "invalid_state": Meaning(409, "The object is in a state that does not allow this."),
    "payload_too_large": Meaning(413, "The request body is larger than the endpoint accepts."),
    "validation_failed": Meaning(422, "A value breaks a rule; detail names the field and the rule."),
    "rate_limited": Meaning(429, "Too many requests; Retry-After says how many seconds to wait."),
    "internal": Meaning(500, "A fault on our side. The request id finds it in the logs."),
    "provider_unavailable": Meaning(503, "A service that this depends on does not answer. Try again later."),
}
"""The same rows as the SQL table core.errors, which a test holds it to."""


UNNAMED = "A value is malformed or breaks a rule."
"""Where nothing is known of which."""
MOST_RULES = 10
"""Of broken ones that a client is told of at once."""


@dataclass(eq=False, kw_only=True)
class EdgeError(Exception):
    """A failure that the client is told about."""

    code: str = field(kw_only=False)
    detail: str = field(default="", kw_only=False)
    """What happened, for people. Unless given, it is the catalogue's meaning of the code; of
    `validation_failed` the sentence that names field and rule."""
    hint: str | None = None
    """What people can do about it."""
    status: int = 0
    """The catalogue's unless given; must be given with a code that only SQL knows."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Added to the problem, for programs."""
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status and self.code not in CATALOGUE:
            self.detail = self.detail or self.code
            return
        meaning = CATALOGUE[self.code]
        self.status = self.status or meaning.status
        if self.code == "validation_failed":
            self.detail = self.detail or self.hint or _sentence(self.members) or UNNAMED
        self.detail = self.detail or meaning.text


def invalid(first: BrokenRule, *more: BrokenRule) -> EdgeError:
    """The `validation_failed` of a request that breaks these rules."""
    return EdgeError(
        "validation_failed", hint=_sentence(first), members={**first, "errors": [first, *more][:MOST_RULES]}
    )


def _sentence(members: Mapping[str, Any]) -> str:
    field, rule = members.get("field"), members.get("rule")
    return f"{field} must be {rule}." if field and rule else ""
