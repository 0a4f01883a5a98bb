"""From a request to its answer: key, version, faults, idempotency, parameters, operation, expansion."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.stripe_sim import (
    balance,
    catalogue,
    charges,
    checkout,
    customers,
    disputes,
    events,
    invoice_api,
    payment_methods,
    payments,
    portal,
    refunds,
    subscription_api,
)
from scripts.stripe_sim.account import Account, Cause
from scripts.stripe_sim.errors import ApiError, InvalidParams
from scripts.stripe_sim.expansion import expanded
from scripts.stripe_sim.faults import Faults, How, outage, rate_limited
from scripts.stripe_sim.form import decode
from scripts.stripe_sim.idempotency import MAX_KEY, Kept, Keys, fingerprint_of
from scripts.stripe_sim.ids import make_id
from scripts.stripe_sim.routes import Route, find_route
from scripts.stripe_sim.schema import check
from scripts.stripe_sim.versions import CURRENT, as_of, require_version

ROUTES: tuple[Route, ...] = (
    *balance.ROUTES,
    *catalogue.ROUTES,
    *charges.ROUTES,
    *checkout.ROUTES,
    *customers.ROUTES,
    *disputes.ROUTES,
    *events.ROUTES,
    *invoice_api.ROUTES,
    *payment_methods.ROUTES,
    *payments.ROUTES,
    *portal.ROUTES,
    *refunds.ROUTES,
    *subscription_api.ROUTES,
)


@dataclass(frozen=True)
class Request:
    """What the client sent; header names in lower case."""

    method: str
    path: str
    encoded: str = ""
    """Query or body, form-encoded."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """What the client gets."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    place: str = ""
    """Of its idempotency key."""

    @property
    def content(self) -> bytes:
        return json.dumps(self.body, indent=2).encode()


class Api:
    """Answers one request after the other; each is a transaction."""

    def __init__(self, account: Account, secret_key: str, faults: Faults) -> None:
        self._account = account
        self._secret_key = secret_key
        self._faults = faults
        self.keys = Keys(account)
        with account.transaction():
            self._run = account.number("run")
        self._requests = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        request_id = make_id(f"{self._account.seed}:{self._run}", "req", next(self._requests))
        try:
            scope = self._authenticate(request)
            version = require_version(request.headers.get("stripe-version") or CURRENT)
            fault = self._faults.strike(request.method, request.path)
            if fault in ("rate_limit", "unavailable"):
                raise rate_limited() if fault == "rate_limit" else outage(503)
            answer = self._once(request, request_id, scope, version, fault)
        except ApiError as error:
            answer = Answer(error.status, error.body)
            version = CURRENT
        answer.headers = {"Request-Id": request_id, "Stripe-Version": version} | answer.headers
        if key := request.headers.get("idempotency-key"):
            answer.headers["Idempotency-Key"] = key
        return answer

    def _authenticate(self, request: Request) -> str:
        given = _key(request.headers.get("authorization", ""))
        if not given:
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization "
                "header, using Bearer auth."
            )
            raise ApiError(401, "invalid_request_error", message)
        if not secrets.compare_digest(given, self._secret_key):
            message = f"Invalid API Key provided: {given[:8]}{'*' * 8}{given[-4:]}"
            raise ApiError(401, "invalid_request_error", message)
        return request.headers.get("stripe-account", "")

    def _once(self, request: Request, request_id: str, scope: str, version: str, fault: How | None) -> Answer:
        """Do it, unless the idempotency key says that it was done."""
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            answer, _ = self._execute(request, Cause(request_id), version, fault, None)
            return _struck(answer, fault)
        if len(key) > MAX_KEY:
            raise ApiError(
                400, "invalid_request_error", f"An idempotency key has at most {MAX_KEY} characters."
            )
        place = f"{scope}:{key}"
        fingerprint = fingerprint_of(request.method, request.path, decode(request.encoded))
        with self._account.transaction():
            kept = self.keys.recall(place, fingerprint)
        if kept:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return _struck(Answer(kept.status, kept.body, headers), fault)

        def keep(answer: Answer) -> None:
            made = Kept(fingerprint, answer.status, answer.body, request_id, self._account.now)
            self.keys.keep(place, made)

        answer, executed = self._execute(request, Cause(request_id, key), version, fault, keep)
        answer.place = place
        return _struck(answer, fault) if executed else answer

    def _execute(
        self, request: Request, cause: Cause, version: str, fault: How | None, keep: Any
    ) -> tuple[Answer, bool]:
        """The answer, and whether the work was begun: only then is it kept for the key."""
        try:
            with self._account.transaction(cause):
                if fault == "error":
                    raise outage(500)
                answer = self._operate(request, version)
                if keep:
                    keep(answer)
                return answer, True
        except InvalidParams as error:
            return Answer(error.status, error.body), False
        except ApiError as error:
            answer = Answer(error.status, error.body)
            if fault == "error":
                answer.headers["Stripe-Should-Retry"] = "false"
            if keep:
                with self._account.transaction():
                    keep(answer)
            return answer, True

    def _operate(self, request: Request, version: str) -> Answer:
        found = find_route(ROUTES, request.method, request.path)
        if found is None:
            message = f"Unrecognized request URL ({request.method}: {request.path})."
            raise InvalidParams(404, "invalid_request_error", message)
        route, ids = found
        params = check(decode(request.encoded), route.params)
        paths = params.pop("expand", [])
        try:
            document = route.operation(self._account, params, *ids)
        except invoice_api.Declined as declined:
            return Answer(declined.error.status, declined.error.body)
        return Answer(200, as_of(version, expanded(self._account, document, paths)))


def _struck(answer: Answer, fault: How | None) -> Answer:
    """The work is done, but the client may not learn of it."""
    if fault == "lost":
        return Answer(502, outage(502).body)
    answer.hangs = fault == "hang"
    return answer


def _key(authorization: str) -> str:
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
