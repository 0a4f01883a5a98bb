"""Whose answers are whose: nobody gets another tenant's, nor learns that there is one."""

import uuid

from tests.acting import Person, World, refused
from tests.ai.calls import Edge, answered, follow, project, start


def organization(owner: Person, *others: Person, world: World) -> uuid.UUID:
    """An organization of its own with these members."""
    made: uuid.UUID = owner.row("select (create_organization(name => 'Acme', slug => null)).id")["id"]
    for other in others:
        world.as_dba(
            "insert into memberships (organization_id, user_id, role) values (%s, %s, 'member')",
            made, other.id,
        )  # fmt: skip
    return made


def test_what_somebody_else_asked_is_asked_again(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    answered(ada, edge, "The same text.")
    assert start(bob, "The same text.")["state"] == "lead"


def test_nobody_follows_a_stranger(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    led = start(ada, "The same text.")
    assert start(bob, "The same text.")["state"] == "lead"
    with refused("not_found", field="request_id"):
        follow(bob, led["request_id"])
    edge.finish(led["request_id"])
    with refused("not_found", field="request_id"):
        follow(bob, led["request_id"])
    with refused("not_found", field="request_id"):
        follow(bob, str(uuid.uuid4()))


def test_members_share_the_answers_about_their_projects(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    acme = organization(ada, bob, world=world)
    rocket = {"project_id": project(ada, organization=acme)}
    answered(ada, edge, rocket, "About a rocket.")
    hit = start(bob, rocket)
    assert (hit["state"], hit["output"]) == ("answered", "About a rocket.")


def test_the_same_project_elsewhere_is_another_question(world: World, edge: Edge) -> None:
    """The key holds the tenant, so that not even the time it takes tells: there is nothing to find."""
    ada, bob = world.person("ada"), world.person("bob")
    one, two = organization(ada, world=world), organization(bob, world=world)
    answered(ada, edge, {"project_id": project(ada, organization=one)})
    assert start(bob, {"project_id": project(bob, organization=two)})["state"] == "lead"
    assert start(ada, {"project_id": project(ada)})["state"] == "lead"
    keys = world.as_dba("select distinct key from ai.requests")
    assert len(keys) == 3


def test_who_left_follows_no_more(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    acme = organization(ada, bob, world=world)
    rocket = {"project_id": project(ada, organization=acme)}
    led = start(ada, rocket)
    assert start(bob, rocket) == {"state": "follow", "request_id": led["request_id"]}
    ada.rows("select remove_member(%s, %s)", acme, bob.id)
    edge.finish(led["request_id"])
    with refused("not_found", field="request_id"):
        follow(bob, led["request_id"])
    with refused("not_found", field="project_id"):
        start(bob, rocket)


def test_a_project_is_read_with_the_callers_eyes(world: World) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    deleted = project(bob)
    bob.rows("delete from projects where id = %s", deleted)
    for id_ in (project(ada), deleted, str(uuid.uuid4()), "1", None):
        with refused("not_found", field="project_id"):
            start(bob, {"project_id": id_})


def test_a_project_is_told_with_its_tasks(world: World) -> None:
    ada = world.person("ada")
    rocket = project(ada, "Rocket {labels}")
    ada.rows(
        "insert into tasks (project_id, title, status, value) values (%s, 'Fuel', 'done', 12.50)", rocket
    )
    prompt = start(ada, {"project_id": rocket})["prompt"]
    assert "Project: Rocket {labels}\n- [done] Fuel (12.5)" in prompt


def test_a_changed_project_is_another_question(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    rocket = project(ada)
    answered(ada, edge, {"project_id": rocket})
    ada.rows("insert into tasks (project_id, title) values (%s, 'Fuel')", rocket)
    assert start(ada, {"project_id": rocket})["state"] == "lead"


def test_what_is_everybodys_is_given_to_everybody(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set cache_scope = 'installation' where feature = 'summarize'")
    ada, bob = world.person("ada"), world.person("bob")
    answered(ada, edge, "The same text.")
    assert start(bob, "The same text.")["cached"] is True


def test_what_is_a_persons_is_no_colleagues(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set cache_scope = 'user' where feature = 'summarize'")
    ada, bob = world.person("ada"), world.person("bob")
    rocket = {"project_id": project(ada, organization=organization(ada, bob, world=world))}
    answered(ada, edge, rocket)
    assert start(bob, rocket)["state"] == "lead"
