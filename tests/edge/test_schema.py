from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from litestar.testing import TestClient
from litestar.types import ASGIApp
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from edge.ai.events import Delta, Done
from scripts.stack.settings import ROOT
from tests.acting import World
from tests.edge.auth_server import AuthServer
from tests.edge.process import EdgeProcess

FEW_EXAMPLES = hypothesis_settings(max_examples=15, deadline=None, derandomize=True, database=None)


@pytest.mark.usefixtures("sim", "providers")
def test_every_operation_answers_as_documented(edge: EdgeProcess, auth: AuthServer, world: World) -> None:
    headers = {"Authorization": f"Bearer {auth.token(world.person('ada').id)}"}
    described = schemathesis.openapi.from_url(f"{edge.url}/schema")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == described.statistic.operations.total >= 4

    for operation in operations:
        # No schema says which prices there are, where people may come back to, and what Stripe signs.
        excluded: list[Any] = [positive_data_acceptance] if operation.method == "post" else []

        @FEW_EXAMPLES
        @given(operation.as_strategy())
        def answers_as_documented(case: Case[Any]) -> None:
            case.call_and_validate(headers=headers, excluded_checks=excluded)  # noqa: B023

        answers_as_documented()


def test_it_documents_its_routes_the_security_and_the_problems(client: TestClient[ASGIApp]) -> None:
    document = client.get("/schema").json()
    assert {"/v1/me", "/health/live", "/health/ready", "/metrics"} <= set(document["paths"])

    me = document["paths"]["/v1/me"]["get"]
    (scheme,) = me["security"][0]
    assert document["components"]["securitySchemes"][scheme]["scheme"] == "bearer"
    for status in ("401", "500", "503"):
        assert list(me["responses"][status]["content"]) == ["application/problem+json"]
    assert "security" not in document["paths"]["/health/live"]["get"]


@pytest.fixture
def operations(client: TestClient[ASGIApp]) -> dict[str, Any]:
    """The operations of the edge's own routes, by method and path."""
    return {
        f"{method} {path}": operation
        for path, methods in client.get("/schema").json()["paths"].items()
        for method, operation in methods.items()
        if "/probe/" not in path
    }


def test_every_error_is_a_problem(operations: dict[str, Any]) -> None:
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status == "200" or (name, status) == ("get /health/ready", "503"):
                continue
            assert list(response["content"]) == ["application/problem+json"], (name, status)
            waits = status in ("429", "503")
            assert ("Retry-After" in response.get("headers", {})) == waits, (name, status)
    assert "400" in operations["post /webhooks/stripe"]["responses"]


def test_every_success_says_what_it_is(operations: dict[str, Any]) -> None:
    for name, operation in operations.items():
        description = operation["responses"]["200"]["description"]
        assert description, name
        assert "document follows" not in description, name


def test_a_body_is_wanted_where_there_must_be_one(operations: dict[str, Any]) -> None:
    wanted = {
        name: operation["requestBody"]["required"]
        for name, operation in operations.items()
        if "requestBody" in operation
    }
    assert wanted == {
        "post /v1/checkout": True,
        "post /v1/subscription": True,
        "post /v1/billing-portal": False,
        "post /v1/ai/complete": True,
    }


def test_it_documents_what_a_stream_is_made_of(
    client: TestClient[ASGIApp], operations: dict[str, Any]
) -> None:
    schemas = client.get("/schema").json()["components"]["schemas"]
    answers = operations["post /v1/ai/complete"]["responses"]["200"]["content"]
    stream = answers["text/event-stream"]["schema"]
    assert stream["type"] == "string"
    events = {e["properties"]["event"]["const"]: e for e in stream["contentSchema"]["items"]["oneOf"]}
    delta, done, error = (events[name]["properties"]["data"] for name in ("delta", "done", "error"))
    assert delta["required"] == list(Delta.__struct_fields__)
    assert sorted(done["required"]) == sorted(Done.__struct_fields__)
    assert error == {"$ref": "#/components/schemas/Problem"}
    whole = schemas["Completion"]["properties"]
    for name, property_ in done["properties"].items():
        assert property_ == {key: value for key, value in whole[name].items() if key != "description"}


def test_it_documents_the_members_of_problems(
    client: TestClient[ASGIApp], operations: dict[str, Any]
) -> None:
    schemas = client.get("/schema").json()["components"]["schemas"]
    responses = operations["post /v1/ai/complete"]["responses"]

    def members(status: str) -> set[str]:
        (content,) = responses[status]["content"].values()
        return set(schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"])

    table = (ROOT / "ERRORS.md").read_text().partition("`quota_exceeded` says all")[2].partition("\n\n`")[0]
    documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))))
    assert len(documented) == 11
    assert documented <= members("402") - members("404")
    assert {"limit", "retry_after"} <= members("429")
    assert {"field", "rule", "errors"} <= members("422")
    assert {"action", "reason", "scope", "resets_at"} <= members("503")
    for name in ("assumed", "cost_micros"):
        assert schemas["Usage"]["properties"][name]["description"]
    assert schemas["Limits"]["properties"]["held"]["description"]
    assert schemas["Completion"]["properties"]["truncated"]["description"]


def test_every_operation_below_v1_needs_a_user(client: TestClient[ASGIApp]) -> None:
    document = client.get("/schema").json()
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
    ]
    assert operations
    for method, path, operation in operations:
        assert operation["security"]
        assert client.request(method.upper(), path.format(order_id=uuid.uuid4())).status_code == 401
