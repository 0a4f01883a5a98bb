"""Errors are typed: one catalogue, one way to raise."""

import json

import psycopg
import pytest

from tests.acting import World, refused


def test_every_code_is_raised_with_its_http_status(world: World) -> None:
    caller = world.person("ada")
    catalogue = world.as_dba("select code, http_status from core.errors")
    assert len(catalogue) >= 13
    for row in catalogue:
        with pytest.raises(psycopg.Error) as caught:
            caller.rows("select core.fail(%s, 'why', '{\"field\": 1}')", row["code"])
        diag = caught.value.diag
        assert caught.value.sqlstate == f"PT{row['http_status']}"
        assert diag.message_primary == row["code"]
        assert diag.message_detail is not None
        assert json.loads(diag.message_detail) == {"field": 1}
        assert diag.message_hint == "why"


def test_headers_travel_in_the_form_that_the_data_api_understands(world: World) -> None:
    with pytest.raises(psycopg.Error) as caught:
        world.person("ada").rows(
            "select core.fail('rate_limited', 'Slow down.', '{\"key\": \"x\"}', '{\"Retry-After\": \"3\"}')"
        )
    diag = caught.value.diag
    assert caught.value.sqlstate == "PGRST"
    assert json.loads(diag.message_primary or "") == {
        "code": "PT429",
        "message": "rate_limited",
        "details": '{"key": "x"}',
        "hint": "Slow down.",
    }
    assert json.loads(diag.message_detail or "") == {"status": 429, "headers": {"Retry-After": "3"}}


def test_a_code_outside_the_catalogue_is_a_fault_not_an_answer(world: World) -> None:
    with refused("internal"):
        world.person("ada").rows("select core.fail('no_such_code')")


def test_the_catalogue_itself_is_closed_to_clients(world: World) -> None:
    for caller in (world.anon, world.person("ada"), world.service):
        with refused("42501"):
            caller.rows("select * from core.errors")
