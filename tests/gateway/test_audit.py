"""A request through the Data API is found in the audit log by its id."""

from __future__ import annotations

import uuid

import httpx
import psycopg

from scripts.stack.stack import Stack
from tests.gateway.people import Person


def test_the_log_keeps_the_request_id_of_a_change(
    http: httpx.Client, local_stack: Stack, bystander: Person
) -> None:
    request_id = f"audited-{uuid.uuid4()}"
    answer = http.patch(
        f"/rest/v1/profiles?id=eq.{bystander.id}",
        json={"name": "Audited"},
        headers={**bystander.headers, "X-Request-Id": request_id},
    )
    assert answer.status_code == 204
    with psycopg.connect(local_stack.env["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "select table_name, action, user_id::text, database_role, changes -> 'name' ->> 1"
            " from audit.log where request_id = %s",
            [request_id],
        ).fetchall()
    assert rows == [("public.profiles", "update", bystander.id, "authenticated", "[secret]")]
