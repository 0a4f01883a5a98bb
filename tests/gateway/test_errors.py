"""Errors of SQL arrive typed, with their HTTP status."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest
from postgrest import APIError

from scripts.stack.stack import Stack
from tests.gateway.people import Person
from tests.gateway.probes import call, installed


def test_a_catalogue_error_arrives_whole(person: Person) -> None:
    slug = f"s{uuid.uuid4().hex[:10]}"
    person.client.rpc("create_organization", {"name": "One", "slug": slug}).execute()
    with pytest.raises(APIError) as caught:
        person.client.rpc("create_organization", {"name": "Two", "slug": slug}).execute()
    error = caught.value
    assert (error.code, error.message) == ("PT409", "conflict")
    assert json.loads(error.details or "") == {"field": "slug"}
    assert error.hint == "This slug is taken. Choose another one."


def post(http: httpx.Client, person: Person, path: str, body: object) -> tuple[int, str]:
    response = http.post(f"/rest/v1/{path}", json=body, headers=person.headers)
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("projects", {"name": "x", "nonsense": 1}, (400, "PGRST204")),
        ("projects", {"name": None}, (400, "23502")),
        ("projects", {"name": "x", "user_id": str(uuid.uuid4())}, (403, "42501")),
        ("projects", {"name": "x", "organization_id": "nonsense"}, (400, "22P02")),
        ("nonsense", {"name": "x"}, (404, "PGRST205")),
        ("rpc/nonsense", {}, (404, "PGRST202")),
        ("rpc/create_organization", {"nonsense": 1}, (404, "PGRST202")),
        ("rpc/create_organization", {"name": ""}, (422, "PT422")),
        ("rpc/accept_invitation", {"token": "nonsense"}, (404, "PT404")),
        ("rpc/leave_organization", {"organization_id": "nonsense"}, (400, "22P02")),
        ("tasks", {"project_id": str(uuid.uuid4()), "title": "t"}, (404, "PT404")),
    ],
)
def test_mistakes_are_told_apart(
    http: httpx.Client, person: Person, path: str, body: object, expected: tuple[int, str]
) -> None:
    assert post(http, person, path, body) == expected


@pytest.fixture(scope="module")
def raising(local_stack: Stack) -> Iterator[None]:
    """A function that fails as it is told."""
    create = """
        create function public.fail_probe(sqlstate text, message text, detail text)
        returns void language plpgsql as $$
        begin
            raise exception using errcode = sqlstate, message = message, detail = detail, hint = 'a hint';
        end
        $$;
        grant execute on function public.fail_probe to authenticated
    """
    with installed(local_stack, create, "drop function public.fail_probe"):
        yield


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [
        ("P0001", 400),
        ("23514", 400),
        ("23502", 400),
        ("22P02", 400),
        ("23505", 409),
        ("23503", 409),
        ("42501", 403),
        ("28000", 403),
        ("PT402", 402),
        ("PT422", 422),
        ("54001", 500),
        ("40001", 500),
        ("P0003", 500),
        ("57014", 500),
        ("53300", 503),
        ("08006", 503),
    ],
)
def test_every_sqlstate_has_the_status_that_postgrest_gives_it(
    http: httpx.Client, bystander: Person, sqlstate: str, status: int
) -> None:
    body = {"sqlstate": sqlstate, "message": "a message", "detail": "a detail"}
    response = call(http, "POST", "rpc/fail_probe", json=body, headers=bystander.headers)
    assert response.status_code == status
    error = response.json()
    assert (error["code"], error["message"]) == (sqlstate, "a message")


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("sqlstate", ["23502", "23514"])
def test_the_failing_row_stays_inside(http: httpx.Client, bystander: Person, sqlstate: str) -> None:
    body = {"sqlstate": sqlstate, "message": "m", "detail": "Failing row contains (1, somebody@example.com)."}
    response = call(http, "POST", "rpc/fail_probe", json=body, headers=bystander.headers)
    assert response.json() == {"code": sqlstate, "message": "m", "details": None, "hint": "a hint"}


@pytest.mark.usefixtures("raising")
def test_an_error_can_bring_headers(http: httpx.Client, bystander: Person) -> None:
    error = {"code": "PT429", "message": "rate_limited", "details": '{"retry_after": 3}', "hint": "Wait."}
    detail = json.dumps({"status": 429, "headers": {"Retry-After": "3"}})
    body = {"sqlstate": "PGRST", "message": json.dumps(error), "detail": detail}
    response = call(http, "POST", "rpc/fail_probe", json=body, headers=bystander.headers)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert response.json() == error


def test_anonymous_callers_are_asked_to_sign_in(http: httpx.Client) -> None:
    response = http.post("/rest/v1/projects", json={"name": "x"})
    assert (response.status_code, response.json()["code"]) == (401, "42501")


def test_internal_schemas_are_not_exposed(http: httpx.Client, person: Person) -> None:
    for schema in ("auth", "identity", "core", "edge", "storage", "pg_catalog"):
        headers = {**person.headers, "accept-profile": schema}
        response = http.get("/rest/v1/users", headers=headers)
        assert (response.status_code, response.json()["code"]) == (406, "PGRST106")


@pytest.mark.parametrize("path", ["/_system", "/_system/info", "/", "/studio", "/rest/v1/../../_system"])
def test_other_doors_are_closed(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404
