"""The log: a line for each fault of the server, nothing about what clients send."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from scripts.stack.stack import Stack
from tests.gateway.people import PASSWORD, Person
from tests.gateway.probes import call, installed

SECRET = "somebody@example.com"


@pytest.fixture
def new_lines(local_stack: Stack) -> Callable[[], list[str]]:
    """Answers what has been logged since the test began."""
    path = local_stack.settings.logs / "gateway.log"
    begin = path.stat().st_size
    return lambda: path.read_bytes()[begin:].decode().splitlines()


@pytest.fixture(scope="module")
def failing(local_stack: Stack) -> Iterator[None]:
    """A function that fails as it is told."""
    create = """
        create function public.log_probe(sqlstate text, message text) returns void language plpgsql as $$
        begin
            raise exception using errcode = sqlstate, message = message, detail = 'Failing row contains (1).';
        end
        $$;
        grant execute on function public.log_probe to authenticated
    """
    with installed(local_stack, create, "drop function public.log_probe"):
        yield


@pytest.mark.usefixtures("failing")
def test_mistakes_of_clients_are_not_logged(
    http: httpx.Client, bystander: Person, new_lines: Callable[[], list[str]]
) -> None:
    probe = {"sqlstate": "23514", "message": SECRET}
    assert call(http, "POST", "rpc/log_probe", json=probe, headers=bystander.headers).status_code == 400
    assert http.post("/rest/v1/projects", json={"id": SECRET}, headers=bystander.headers).status_code == 400
    credentials = {"email": SECRET, "password": PASSWORD}
    assert http.post("/auth/v1/token?grant_type=password", json=credentials).status_code == 400
    assert http.get("/storage/v1/object/none/none", headers=bystander.headers).status_code in (400, 404)
    assert new_lines() == []


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("sqlstate", "told"),
    [("P0003", "P0003 query returned rows"), ("PT500", "PT500 query returned rows"), ("PGRST", "PGRST")],
)
def test_a_fault_is_one_line(
    http: httpx.Client, bystander: Person, new_lines: Callable[[], list[str]], sqlstate: str, told: str
) -> None:
    probe = {"sqlstate": sqlstate, "message": "query returned rows"}
    assert call(http, "POST", "rpc/log_probe", json=probe, headers=bystander.headers).status_code == 500
    assert new_lines() == [f"POST /rest/v1/rpc/log_probe 500 {told}"]
