"""A repeated request gets the first result; a different one under the same key is a conflict."""

from concurrent.futures import ThreadPoolExecutor

from tests.acting import World, refused

CREATE = "select * from create_organization(%s, null, %s)"


def test_the_same_key_and_payload_return_the_first_result(world: World) -> None:
    ada = world.person("ada")
    first = ada.row(CREATE, "Engines", "key-1")
    assert ada.row(CREATE, "Engines", "key-1") == first
    assert ada.row(CREATE, "Engines", "key-2")["id"] != first["id"]
    assert len(ada.rows("select * from organizations")) == 2


def test_another_payload_under_the_same_key_is_a_conflict(world: World) -> None:
    ada = world.person("ada")
    ada.row(CREATE, "Engines", "key-1")
    with refused("conflict", idempotency_key="key-1"):
        ada.row(CREATE, "Wires", "key-1")


def test_keys_of_different_people_do_not_meet(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    assert ada.row(CREATE, "Engines", "key-1")["id"] != grace.row(CREATE, "Wires", "key-1")["id"]


def test_a_failed_first_attempt_does_not_burn_the_key(world: World) -> None:
    ada = world.person("ada")
    with refused("validation_failed"):
        ada.row(CREATE, "two\nlines", "key-1")
    ada.row(CREATE, "Engines", "key-1")


def test_parallel_twins_have_one_effect(world: World) -> None:
    ada = world.person("ada")
    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda _: ada.row(CREATE, "Engines", "key-1"), range(12)))
    assert all(result == results[0] for result in results)
    assert len(ada.rows("select * from organizations")) == 1


def test_keys_are_bounded(world: World) -> None:
    for key in ("", "x" * 201, "a\tb"):
        with refused("validation_failed", field="idempotency_key"):
            world.person(f"ada{len(key)}").row(CREATE, "Engines", key)
