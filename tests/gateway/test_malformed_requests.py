"""What no client library sends is refused as the sender's mistake, and the gateway goes on."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.people import Person

JSON = {"content-type": "application/json"}
DEEP = b'{"name": "x", "data": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"

ROWS = {
    "half a document": (b'{"name": ', 400),
    "an empty body": (b"", 400),
    "a scalar": (b'"x"', 400),
    "rows that are no objects": (b"[1, 2]", 400),
    "null for a row": (b"[null]", 400),
    "uneven rows": (b'[{"name": "a"}, {"name": "b", "data": {}}]', 400),
    "invalid UTF-8": (b'{"name": "\xff\xfe"}', 400),
    "half a surrogate pair": (b'{"name": "\\ud800"}', 400),
    "NUL in text": (b'{"name": "a\\u0000b"}', 400),
    "NUL in JSON": (b'{"name": "x", "data": {"a": "\\u0000"}}', 400),
    "a number out of range": (b'{"name": "x", "data": {"a": 1e400}}', 400),
    "100,000 levels": (DEEP, 400),
    "100,000 levels that never close": (b"[" * 100_000, 400),
    "3 MB of name": (b'{"name": "' + b"x" * 3_000_000 + b'"}', 422),
    "3 MB of JSON": (b'{"name": "x", "data": {"a": "' + b"x" * 3_000_000 + b'"}}', 422),
    "7 MB of escapes": (b'{"name": "' + b"\\n" * 3_500_000 + b'"}', 422),
    "100,000 rows": (b"[" + b",".join([b'{"name": "x"}'] * 100_000) + b"]", 413),
    "9 MB": (b'{"name": "' + b"x" * 9_000_000 + b'"}', 413),
    "a prototype": (b'{"__proto__": {"name": "x"}, "name": "x"}', 400),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("headers", [JSON, {}], ids=["typed", "untyped"])
def test_malformed_rows(http: httpx.Client, bystander: Person, name: str, headers: dict[str, str]) -> None:
    body, status = ROWS[name]
    response = http.post("/rest/v1/projects", content=body, headers={**headers, **bystander.headers})
    assert response.status_code == status, response.text
    assert response.json().keys() == {"code", "message", "details", "hint"}
    assert http.get("/rest/v1/projects", headers=bystander.headers).json() == []


QUERIES = {
    "id=eq.nonsense": 400,
    "nonsense=eq.1": 400,
    "select=nonsense": 400,
    "select=nonsense(id)": 400,
    "select=*,": 400,
    "order=nonsense": 400,
    "name=nonsense.x": 400,
    "or=(name.eq.a": 400,
    "name=eq.%00": 400,
    "id=eq.';drop table projects;--": 400,
    "limit=-1": 416,
}


@pytest.mark.parametrize("query", QUERIES)
def test_malformed_queries(http: httpx.Client, bystander: Person, query: str) -> None:
    response = http.get(f"/rest/v1/projects?{query}", headers=bystander.headers)
    assert response.status_code == QUERIES[query], response.text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "1e999999", "nonsense", True, {"a": 1}, [1], -5])
def test_numbers_that_are_none(http: httpx.Client, person: Person, value: object) -> None:
    (project,) = http.post(
        "/rest/v1/projects", json={"name": "x"}, headers={**person.headers, "prefer": "return=representation"}
    ).json()
    task = {"project_id": project["id"], "title": "t", "value": value}
    assert http.post("/rest/v1/tasks", json=task, headers=person.headers).status_code in (400, 422)
    assert http.get("/rest/v1/tasks", headers=person.headers).json() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("TRACE", "/rest/v1/projects", 405),
        ("PROPFIND", "/rest/v1/projects", 405),
        ("PUT", "/rest/v1/rpc/create_organization", 405),
        ("DELETE", "/rest/v1/rpc/create_organization", 405),
        ("GET", "/auth/v1/signup", 405),
        ("GET", "/rest/v1/%ff", 400),
        ("GET", "/rest/v1/%00", 400),
        ("GET", "/rest/v1/projects/x", 404),
        ("GET", "/auth/v1/verify?type=magiclink&token=%00", 400),
        ("GET", f"/auth/v1/verify?type=magiclink&token=pkce_{'-' * 36}", 303),
    ],
)
def test_wrong_verbs_and_paths(
    http: httpx.Client, bystander: Person, method: str, path: str, status: int
) -> None:
    assert http.request(method, path, headers=bystander.headers).status_code == status


CREDENTIALS = {
    "half a document": b'{"email": ',
    "no object": b"[]",
    "nothing": b"",
    "a number for an address": b'{"email": 5, "password": "correct horse 42"}',
    "an object for a password": b'{"email": "a@example.com", "password": {"a": 1}}',
    "NUL in an address": b'{"email": "a\\u0000@example.com", "password": "correct horse 42"}',
    "NUL in metadata": b'{"email": "a@example.com", "password": "long horse 42", "data": {"a": "\\u0000"}}',
    "infinity in metadata": b'{"email": "a@example.com", "password": "long horse 42", "data": {"a": 1e400}}',
    "text for metadata": b'{"email": "meta@example.com", "password": "correct horse 42", "data": "x"}',
    "an endless address": b'{"email": "' + b"x" * 300 + b'@example.com", "password": "correct horse 42"}',
    "an endless password": b'{"email": "long@example.com", "password": "' + b"x" * 300 + b'"}',
    "invalid UTF-8": b'{"email": "\xff@example.com", "password": "correct horse 42"}',
}
ENTRANCES = [
    "signup",
    "token?grant_type=password",
    "token?grant_type=refresh_token",
    "token?grant_type=pkce",
    "verify",
]


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_malformed_credentials(http: httpx.Client, name: str, entrance: str, content_type: str) -> None:
    headers = {"content-type": content_type}
    response = http.post(f"/auth/v1/{entrance}", content=CREDENTIALS[name], headers=headers)
    assert response.status_code == 400, response.text
    assert {"code", "error_code", "msg"} <= response.json().keys()


def test_two_mebibytes_of_credentials(http: httpx.Client) -> None:
    body = {"email": "a@example.com", "password": "x" * 2**21}
    assert http.post("/auth/v1/signup", json=body).status_code == 413


@pytest.mark.parametrize("name", ["email", "password", "data"])
def test_null_credentials_are_absent_ones(http: httpx.Client, bystander: Person, name: str) -> None:
    response = http.put("/auth/v1/user", json={name: None}, headers=bystander.headers)
    assert (response.status_code, response.json()["email"]) == (200, bystander.email)
    signup = {"email": "null@example.com", "password": "correct horse 42", name: None}
    assert http.post("/auth/v1/signup", json=signup).status_code < 500


@pytest.mark.parametrize("path", ["/rest/v1/projects", "/auth/v1/token", "/storage/v1/object/a/b"])
def test_browsers_may_ask(http: httpx.Client, path: str) -> None:
    asked = {
        "origin": "http://127.0.0.1:3000",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,apikey,x-request-id",
    }
    preflight = http.options(path, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    refused = http.post(path, headers={"origin": asked["origin"]}, content=b"{")
    assert refused.headers["access-control-allow-origin"] == "*"
