"""What SQL is told about a request, as PostgREST tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scripts.stack.stack import Stack
from tests.gateway.people import Person
from tests.gateway.probes import call, installed

PROBE = """
create function public.request_probe() returns jsonb language sql volatile as $$
    select jsonb_build_object(
        'role', current_user,
        'claims', current_setting('request.jwt.claims')::jsonb,
        'headers', current_setting('request.headers')::jsonb,
        'method', current_setting('request.method'),
        'path', current_setting('request.path'),
        'timeout', current_setting('statement_timeout'),
        'read_only', current_setting('transaction_read_only'),
        'search_path', current_setting('search_path'))
$$;
grant execute on function public.request_probe() to anon, authenticated, service_role;
create view public.request_probes as select public.request_probe() as probe;
grant select on public.request_probes to anon, authenticated, service_role;
"""
REMOVE = """
drop view public.request_probes;
drop function public.request_probe();
"""


@pytest.fixture(scope="module")
def probe(local_stack: Stack) -> Iterator[None]:
    """A function that tells its settings; that it can be called shows that `notify pgrst` was heard."""
    with installed(local_stack, PROBE, REMOVE):
        yield


def told(http: httpx.Client, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    answer: Any = call(http, method, path, headers=headers).json()
    probed: dict[str, Any] = answer[0]["probe"] if isinstance(answer, list) else answer
    return probed


@pytest.mark.usefixtures("probe")
def test_a_call_by_a_user(http: httpx.Client, bystander: Person) -> None:
    seen = told(http, "POST", "rpc/request_probe", {**bystander.headers, "X-Request-Id": "r-1"})
    assert seen["role"] == "authenticated"
    assert seen["claims"]["sub"] == bystander.id
    assert seen["headers"]["x-request-id"] == "r-1"
    assert (seen["method"], seen["path"]) == ("POST", "/rpc/request_probe")
    assert (seen["read_only"], seen["timeout"]) == ("off", "8s")
    assert seen["search_path"] == "public, extensions"


@pytest.mark.usefixtures("probe")
def test_a_read_of_a_relation_by_nobody(http: httpx.Client) -> None:
    seen = told(http, "GET", "request_probes", {"X-Request-Id": "r-2"})
    assert (seen["role"], seen["claims"]) == ("anon", {"role": "anon"})
    assert seen["headers"]["x-request-id"] == "r-2"
    assert (seen["method"], seen["path"]) == ("GET", "/request_probes")
    assert (seen["read_only"], seen["timeout"]) == ("on", "3s")


@pytest.mark.usefixtures("probe")
def test_the_service_role(http: httpx.Client, stack: dict[str, str]) -> None:
    seen = told(http, "POST", "rpc/request_probe", {"apikey": stack["SUPABASE_SERVICE_ROLE_KEY"]})
    assert (seen["role"], seen["timeout"]) == ("service_role", "8s")
