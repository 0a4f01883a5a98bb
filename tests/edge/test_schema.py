from __future__ import annotations

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
