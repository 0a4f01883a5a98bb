"""A rate limit of SQL arrives at clients of the Data API as 429 with Retry-After."""

from __future__ import annotations

import json

import httpx
import psycopg
import pytest
from postgrest import APIError

from scripts.stack.stack import Stack
from tests.gateway.people import Person


@pytest.fixture
def exhausted(local_stack: Stack, person: Person) -> Person:
    """Somebody who has founded as many organizations as anyone may at once."""
    with psycopg.connect(local_stack.env["DATABASE_URL"]) as connection:
        taken = connection.execute(
            "select metering.take(name || ':' || %s, rate, burst, burst) from metering.rate_limits"
            " where name = 'organizations'",
            [person.id],
        ).fetchone()
    assert taken == (True,)
    return person


def test_a_client_reads_when_to_come_back(http: httpx.Client, exhausted: Person) -> None:
    answer = http.post("/rest/v1/rpc/create_organization", json={"name": "One"}, headers=exhausted.headers)
    assert answer.status_code == 429
    error = answer.json()
    assert (error["code"], error["message"]) == ("PT429", "rate_limited")
    detail = json.loads(error["details"])
    assert detail["limit"] == "organizations"
    assert answer.headers["retry-after"] == str(detail["retry_after"])
    assert 0 < detail["retry_after"] <= 60
    assert http.get("/rest/v1/organizations", headers=exhausted.headers).json() == []


def test_supabase_py_says_so(exhausted: Person) -> None:
    with pytest.raises(APIError) as caught:
        exhausted.client.rpc("create_organization", {"name": "One"}).execute()
    assert (caught.value.code, caught.value.message) == ("PT429", "rate_limited")


def test_the_back_office_and_other_people_go_on(
    http: httpx.Client, exhausted: Person, bystander: Person, stack: dict[str, str]
) -> None:
    key = stack["SUPABASE_SERVICE_ROLE_KEY"]
    rows = [{"name": "p", "user_id": exhausted.id} for _ in range(310)]
    answer = http.post(
        "/rest/v1/projects", json=rows, headers={"apikey": key, "authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 201
    own = http.post("/rest/v1/projects", json={"name": "p"}, headers=exhausted.headers)
    assert own.status_code == 201, "of another limit"
