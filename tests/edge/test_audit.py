"""The audit log knows for whom the edge acted, and in which request."""

from __future__ import annotations

from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import World
from tests.audit.log import newest
from tests.edge.auth_server import AuthServer


def test_a_change_on_a_users_behalf_is_theirs(
    client: TestClient[ASGIApp], auth: AuthServer, world: World
) -> None:
    ada = world.person("ada")
    headers = {
        "Authorization": f"Bearer {auth.key.sign(auth.claims(ada.id))}",
        "X-Request-Id": "of-ada",
    }
    statement = {"sql": "update public.profiles set name = 'Ada' returning id"}
    assert client.post("/v1/probe/sql", json=statement, headers=headers).status_code == 200
    row = newest(world, "public.profiles")
    assert (row["database_role"], row["user_id"], row["actor"]) == ("authenticated", ada.id, None)
    assert (row["request_id"], row["changes"]) == ("of-ada", {"name": [None, "[secret]"]})


def test_a_change_of_the_edge_itself_names_the_edge(
    client: TestClient[ASGIApp], auth: AuthServer, world: World
) -> None:
    world.as_dba("""
        create function edge.probe_record() returns text language sql volatile security definer
        set search_path = '' as $$ select audit.record('probed')::text $$
    """)
    world.as_dba("grant execute on function edge.probe_record() to edge_service")
    headers = {
        "Authorization": f"Bearer {auth.key.sign(auth.claims(world.person('ada').id))}",
        "X-Request-Id": "of-edge",
    }
    statement = {"sql": "select edge.probe_record()"}
    assert client.post("/v1/probe/service", json=statement, headers=headers).status_code == 200
    (row,) = world.as_dba("select * from audit.actions")
    assert (row["database_role"], row["user_id"]) == ("edge_service", None)
    assert (row["actor"], row["request_id"]) == ("edge", "of-edge")
