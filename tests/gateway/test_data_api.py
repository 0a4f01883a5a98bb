"""The Data API with supabase-py on the real schema."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scripts.stack.stack import Stack
from supabase import Client
from tests.gateway.conftest import NewPerson
from tests.gateway.people import Person
from tests.gateway.probes import call, installed


def make_project(person: Person, name: str = "Engine", **values: object) -> dict[str, Any]:
    rows: Any = person.client.table("projects").insert({"name": name, **values}).execute().data
    project: dict[str, Any] = rows[0]
    return project


def test_insert_answers_the_row_as_hosted_supabase_writes_it(person: Person) -> None:
    project = make_project(person, data={"deep": [True, None, 1.5]})
    assert (project["user_id"], project["name"]) == (person.id, "Engine")
    assert project["data"] == {"deep": [True, None, 1.5]}
    assert project["created_at"].endswith("+00:00")
    assert "T" in project["created_at"]


def test_embedding_filters_order_and_count(person: Person) -> None:
    project = make_project(person)
    tasks = [
        {"project_id": project["id"], "title": title, "value": value}
        for title, value in [("a", 1), ("b", 2.5)]
    ]
    person.client.table("tasks").insert(tasks).execute()
    found: Any = (
        person.client.table("projects")
        .select("name, tasks(title, value)", count="exact")  # type: ignore[arg-type]
        .eq("id", project["id"])
        .order("title", desc=True, foreign_table="tasks")
        .execute()
    )
    assert found.count == 1
    assert found.data == [
        {"name": "Engine", "tasks": [{"title": "b", "value": 2.5}, {"title": "a", "value": 1}]}
    ]


def test_update_and_delete(person: Person) -> None:
    project = make_project(person)
    rows: Any = (
        person.client.table("projects").update({"name": "Mill"}).eq("id", project["id"]).execute().data
    )
    assert [row["name"] for row in rows] == ["Mill"]
    person.client.table("projects").delete().eq("id", project["id"]).execute()
    assert person.client.table("projects").select("id").execute().data == []


def test_upsert_with_the_service_role(person: Person, service: Client) -> None:
    project = make_project(person)
    row = {"id": project["id"], "user_id": person.id, "name": "Upserted"}
    with pytest.raises(Exception, match="permission denied"):
        person.client.table("projects").upsert(row).execute()
    assert names_of(person) == ["Engine"]


def test_a_function_that_returns_a_row_answers_one_object(person: Person) -> None:
    organization: Any = person.client.rpc("create_organization", {"name": "Mills & Co"}).execute().data
    assert organization["name"] == "Mills & Co"
    assert organization["slug"].startswith("mills-co")


def test_rows_are_those_of_the_caller(new_person: NewPerson, http: httpx.Client) -> None:
    owner, stranger = new_person(), new_person()
    make_project(owner)
    assert names_of(owner) == ["Engine"]
    assert names_of(stranger) == []
    assert http.get("/rest/v1/projects").status_code == 401


def names_of(person: Person) -> list[str]:
    rows: Any = person.client.table("projects").select("name").execute().data
    return [row["name"] for row in rows]


def test_the_service_role_key_works_as_key_and_as_bearer(
    stack: dict[str, str], http: httpx.Client, person: Person
) -> None:
    key = stack["SUPABASE_SERVICE_ROLE_KEY"]
    query = {"select": "id", "id": f"eq.{person.id}"}
    for headers in (
        {"apikey": key},
        {"apikey": key, "authorization": f"Bearer {key}"},
        {"authorization": f"Bearer {key}"},
    ):
        assert http.get("/rest/v1/profiles", params=query, headers=headers).json() == [{"id": person.id}]


def test_without_a_key_nothing_answers(stack: dict[str, str]) -> None:
    for path in ("/rest/v1/projects", "/auth/v1/settings", "/rest/v1/rpc/create_organization"):
        assert httpx.get(stack["SUPABASE_URL"] + path).status_code == 401
        assert httpx.get(stack["SUPABASE_URL"] + path, headers={"apikey": "guessed"}).status_code == 401


def test_what_ends_in_an_error_keeps_nothing(http: httpx.Client, person: Person) -> None:
    for name in ("one", "two"):
        make_project(person, name)
    one_row = {"prefer": "return=representation", "accept": "application/vnd.pgrst.object+json"}
    response = http.patch(
        "/rest/v1/projects?name=neq.x", json={"name": "renamed"}, headers={**person.headers, **one_row}
    )
    assert (response.status_code, response.json()["code"]) == (406, "PGRST116")
    assert sorted(names_of(person)) == ["one", "two"]


def test_reading_requests_cannot_write(http: httpx.Client, person: Person) -> None:
    response = http.get(
        "/rest/v1/rpc/create_organization", params={"name": uuid.uuid4().hex}, headers=person.headers
    )
    assert (response.status_code, response.json()["code"]) == (405, "25006")


@pytest.mark.parametrize("value", [True, 5, 2**53 + 1, "text", "[1]", [1, 2], {"a": [None]}])
def test_json_stays_the_json_that_was_sent(person: Person, value: object) -> None:
    assert make_project(person, data={"value": value})["data"] == {"value": value}


@pytest.mark.parametrize(("sent", "read"), [("2.50", 2.5), ("9999999999.123456", 9999999999.123456), (7, 7)])
def test_numbers_are_numbers(person: Person, sent: object, read: float) -> None:
    task = {"project_id": make_project(person)["id"], "title": "t", "value": sent}
    rows: Any = person.client.table("tasks").insert(task).execute().data
    assert rows[0]["value"] == read


def test_numbers_keep_all_their_digits(http: httpx.Client, person: Person) -> None:
    project_id = make_project(person)["id"]
    task = f'{{"project_id": "{project_id}", "title": "t", "value": 999999999999.123456}}'
    http.post("/rest/v1/tasks", content=task, headers=person.headers).raise_for_status()
    read = http.get("/rest/v1/tasks?select=value", headers=person.headers)
    assert read.text == '[{"value":999999999999.123456}]'


@pytest.fixture(scope="module")
def echoing(local_stack: Stack) -> Iterator[None]:
    """A function that answers its arguments."""
    create = """
        create function public.echo_probe(
            b boolean default null, j jsonb default null, n bigint default null, ns bigint[] default null,
            t text default null
        )
        returns jsonb language sql volatile
        return jsonb_build_object('b', b, 'j', j, 'n', n, 'ns', ns, 't', t);
        grant execute on function public.echo_probe to authenticated
    """
    with installed(local_stack, create, "drop function public.echo_probe"):
        yield


@pytest.mark.usefixtures("echoing")
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ({}, {}),
        ({"b": True}, {"b": True}),
        ({"b": "off"}, {"b": False}),
        ({"j": "text"}, {"j": "text"}),
        ({"j": "[1]"}, {"j": "[1]"}),
        ({"j": [1, {"a": None}]}, {"j": [1, {"a": None}]}),
        ({"j": {"a": 2**53 + 1}}, {"j": {"a": 2**53 + 1}}),
        ({"n": str(2**53 + 1)}, {"n": 2**53 + 1}),
        ({"n": 2**53 + 1}, {"n": 2**53 + 1}),
        ({"ns": [2**53 + 1, 1]}, {"ns": [2**53 + 1, 1]}),
        ({"t": 5}, {"t": "5"}),
        ({"t": {"a": 1}}, {"t": '{"a":1}'}),
        ({"t": [1, "x"]}, {"t": '[1,"x"]'}),
    ],
)
def test_arguments_arrive_as_they_were_sent(
    http: httpx.Client, bystander: Person, sent: dict[str, object], answer: object
) -> None:
    echo = call(http, "POST", "rpc/echo_probe", json=sent, headers=bystander.headers).json()
    assert {name: value for name, value in echo.items() if value is not None} == answer


@pytest.mark.usefixtures("echoing")
@pytest.mark.parametrize("sent", [{"b": "perhaps"}, {"n": "9223372036854775808"}, {"n": 1.5}, {"n": {}}])
def test_arguments_of_another_type_are_refused(http: httpx.Client, bystander: Person, sent: object) -> None:
    assert call(http, "POST", "rpc/echo_probe", json=sent, headers=bystander.headers).status_code == 400


def test_a_boolean_is_no_number(http: httpx.Client, person: Person) -> None:
    task = {"project_id": make_project(person)["id"], "title": "t", "value": True}
    response = http.post("/rest/v1/tasks", json=task, headers=person.headers)
    assert (response.status_code, response.json()["code"]) == (400, "22P02")
