from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from httpx import Response
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge.app import MAX_BODY_BYTES
from edge.billing.redirects import RULE
from edge.errors import CATALOGUE, UNNAMED
from tests.acting import World
from tests.edge.auth_server import AuthServer

Client = TestClient[ASGIApp]


class Asker:
    """A signed-in user who can run statements through the edge."""

    def __init__(self, client: Client, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "asked-1"}

    def run(self, sql: str) -> Response:
        return self._client.post("/v1/probe/sql", json={"sql": sql}, headers=self._headers)


@pytest.fixture
def asker(client: Client, auth: AuthServer) -> Asker:
    return Asker(client, auth.token(uuid.uuid4()))


def raising(sqlstate: str, message: str = "internal words", detail: str = "", hint: str = "") -> str:
    return (
        f"do $do$ begin raise exception using errcode = '{sqlstate}', message = $m${message}$m$,"
        f" detail = $d${detail}$d$, hint = $h${hint}$h$; end $do$"
    )


def assert_is_problem(answer: Response, status: int, code: str, **members: object) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:groundwork:error:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {name: problem.get(name) for name in members} == members
    return problem


def test_the_catalogue_is_the_databases(world: World) -> None:
    rows = world.as_dba("select code, http_status, meaning from core.errors")
    assert {row["code"]: (row["http_status"], row["meaning"]) for row in rows} == CATALOGUE


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_typed_error_of_sql_arrives_with_code_status_details_and_hint(asker: Asker, code: str) -> None:
    answer = asker.run(f"""select core.fail('{code}', 'Do this.', '{{"limit": 3, "used": 4}}')""")
    assert_is_problem(
        answer, CATALOGUE[code].status, code, hint="Do this.", limit=3, used=4, request_id="asked-1",
        detail="Do this." if code == "validation_failed" else CATALOGUE[code].text,
    )  # fmt: skip


def test_retry_after_arrives_as_header(asker: Asker) -> None:
    answer = asker.run(
        """select core.fail('rate_limited', 'Wait.', '{"key": "ai"}', '{"Retry-After": "17", "X-No": "1"}')"""
    )
    assert_is_problem(answer, 429, "rate_limited", hint="Wait.", key="ai")
    assert answer.headers["retry-after"] == "17"
    assert "x-no" not in answer.headers


def test_a_code_that_only_sql_knows_keeps_its_status(asker: Asker) -> None:
    assert_is_problem(asker.run(raising("PT418", "short_and_stout")), 418, "short_and_stout")


def test_a_message_that_is_no_code_is_not_repeated(asker: Asker) -> None:
    problem = assert_is_problem(asker.run(raising("PT404", "Row 17 of billing.secrets")), 404, "not_found")
    assert "billing" not in json.dumps(problem)


def test_details_cannot_replace_what_a_problem_says_of_itself(asker: Asker) -> None:
    detail = '{"status": 200, "code": "fine", "request_id": "other", "type": "about:blank", "state": "paid"}'
    assert_is_problem(
        asker.run(raising("PT409", "invalid_state", detail)), 409, "invalid_state", state="paid",
        request_id="asked-1",
    )  # fmt: skip


@pytest.mark.parametrize("detail", ["not json", "[1]", '"text"', ""])
def test_a_detail_that_is_no_object_is_left_out(asker: Asker, detail: str) -> None:
    problem = assert_is_problem(asker.run(raising("PT409", "conflict", detail)), 409, "conflict")
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("42501", 403, "forbidden"),
        ("23505", 409, "conflict"),
        ("23503", 409, "conflict"),
        ("23P01", 409, "conflict"),
        ("23502", 422, "validation_failed"),
        ("23514", 422, "validation_failed"),
        ("22P02", 422, "validation_failed"),
        ("22003", 422, "validation_failed"),
        ("40001", 503, "provider_unavailable"),
        ("40P01", 503, "provider_unavailable"),
        ("55P03", 503, "provider_unavailable"),
        ("57014", 503, "provider_unavailable"),
        ("53300", 503, "provider_unavailable"),
        ("08006", 503, "provider_unavailable"),
        ("25006", 503, "provider_unavailable"),
        ("P0001", 500, "internal"),
        ("P0002", 500, "internal"),
        ("XX000", 500, "internal"),
        ("42P01", 500, "internal"),
    ],
)
def test_an_untyped_error_of_sql_gets_a_code_and_loses_its_words(
    asker: Asker, sqlstate: str, status: int, code: str
) -> None:
    answer = asker.run(raising(sqlstate, "internal words", "Key (iban)=(DE02) exists", "internal hint"))
    problem = assert_is_problem(answer, status, code)
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    assert problem["detail"] == (UNNAMED if code == "validation_failed" else CATALOGUE[code].text)


def test_what_sql_does_not_accept_is_named_in_a_sentence(asker: Asker) -> None:
    answer = asker.run("select core.valid(false, 'name', 'one line')")
    sentence = "name must be one line."
    assert_is_problem(
        answer, 422, "validation_failed", detail=sentence, hint=sentence, field="name", rule="one line"
    )
    answer = asker.run("""select core.fail('validation_failed', null, '{"field": "a", "rule": "b"}')""")
    assert_is_problem(answer, 422, "validation_failed", detail="a must be b.")


def test_a_malformed_message_with_headers_is_a_fault_of_ours(asker: Asker) -> None:
    assert_is_problem(asker.run(raising("PGRST", "not json", "not json")), 500, "internal")
    assert_is_problem(asker.run(raising("PGRST", "{}", '{"status": 200}')), 500, "internal")


def test_reading_a_table_that_is_closed_is_forbidden(asker: Asker) -> None:
    problem = assert_is_problem(asker.run("select code from core.errors limit 1"), 403, "forbidden")
    assert "errors" not in problem["detail"]


def test_an_unexpected_exception_says_nothing_but_its_request_id(client: Client, log: io.StringIO) -> None:
    answer = client.get("/probe/bug")
    problem = assert_is_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    failed = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "failed")
    assert "a secret that no client may see" in failed["exception"]
    assert failed["request_id"] == problem["request_id"]


def test_unknown_addresses_and_methods_are_problems_too(client: Client) -> None:
    assert_is_problem(client.get("/no/such/route"), 404, "not_found")
    assert_is_problem(client.get("/schema/no-such-page"), 404, "not_found")
    answer = client.delete("/health/live")
    assert_is_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def assert_breaks(answer: Response, *rules: tuple[str, str]) -> None:
    """One shape wherever a rule is broken: the first in the problem itself, all of them in `errors`."""
    field, rule = rules[0]
    assert_is_problem(
        answer, 422, "validation_failed", field=field, rule=rule, detail=f"{field} must be {rule}.",
        errors=[{"field": field, "rule": rule} for field, rule in rules],
    )  # fmt: skip


def test_a_value_that_breaks_a_rule_is_named(client: Client) -> None:
    assert_breaks(client.get("/probe/things/1", params={"limit": "many"}), ("limit", "a whole number"))
    assert_breaks(client.get("/probe/things/1"), ("limit", "given"))


PRICE = str(uuid.uuid4())
MALFORMED: list[tuple[str, Any, str, str]] = [
    ("ai/complete", {"input": {}}, "feature", "given"),
    ("ai/complete", {"feature": 1, "input": {}}, "feature", "a text"),
    ("ai/complete", {"feature": "", "input": {}}, "feature", "at least 1 character long"),
    ("ai/complete", {"feature": "x" * 51, "input": {}}, "feature", "at most 50 characters long"),
    ("ai/complete", {"feature": "x", "input": []}, "input", "an object"),
    ("ai/complete", {"feature": "x", "input": {}, "model": "y"}, "model", "left out"),
    ("ai/complete", {"feature": "x", "input": {}, "stream": "yes"}, "stream", "true or false"),
    ("ai/complete", {"feature": "x", "input": {}, "idempotency_key": 1}, "idempotency_key", "a text or null"),
    ("ai/complete", {"feature": "summarize", "input": {"text": 1}}, "input.text", "a text"),
    ("checkout", {"items": []}, "items", "at least 1 long"),
    ("checkout", {"items": [1]}, "items.0", "an object"),
    ("checkout", {"items": [{"quantity": 1}]}, "items.0.price_id", "given"),
    ("checkout", {"items": [{"price_id": "x", "quantity": 1}]}, "items.0.price_id", "a uuid"),
    ("checkout", {"items": [{"price_id": PRICE, "quantity": 0}]}, "items.0.quantity", "at least 1"),
    ("checkout", {"items": [{"price_id": PRICE, "quantity": 1.5}]}, "items.0.quantity", "a whole number"),
    ("checkout", {"items": [], "cancel_url": 5}, "items", "at least 1 long"),
    ("billing-portal", {"return_url": "https://evil.example"}, "return_url", RULE),
]


def test_a_body_that_breaks_a_rule_is_named(client: Client, auth: AuthServer, world: World) -> None:
    headers = {"Authorization": f"Bearer {auth.token(world.person('ada').id)}"}
    for path, body, field, rule in MALFORMED:
        assert_breaks(client.post(f"/v1/{path}", json=body, headers=headers), (field, rule))


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"{", "body", "JSON"),
        (b"", "body", "given"),
        (b"[]", "body", "an object"),
        (b'{"sql": 5}', "sql", "a text"),
        (b"\xff", "body", "JSON"),
        (b'{"sql": "\xff"}', "body", "in UTF-8"),
    ],
)
def test_a_malformed_body_is_a_failed_validation(
    client: Client, auth: AuthServer, body: bytes, field: str, rule: str
) -> None:
    headers = {
        "Authorization": f"Bearer {auth.token(uuid.uuid4())}",
        "Content-Type": "application/json",
    }
    assert_breaks(client.post("/v1/probe/sql", content=body, headers=headers), (field, rule))


def test_a_body_above_the_limit_is_refused(client: Client, auth: AuthServer) -> None:
    headers = {"Authorization": f"Bearer {auth.token(uuid.uuid4())}"}
    sql = "select 1 --" + "x" * MAX_BODY_BYTES
    answer = client.post("/v1/probe/sql", json={"sql": sql}, headers=headers)
    assert_is_problem(answer, 413, "payload_too_large")


def test_a_body_is_not_read_before_the_user_is_known(client: Client) -> None:
    answer = client.post("/v1/probe/sql", content=b"x" * (MAX_BODY_BYTES + 1))
    assert_is_problem(answer, 401, "not_authenticated")
