"""Many ask at once: the same, which is one call, or different things, as far as the limits go."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, LiteralString

import psycopg

from tests.acting import Person, World
from tests.ai.calls import project
from tests.ai_sim.provider import eventually
from tests.edge.ai_desk import Answer, Desk, ada, at_once, desk, eager
from tests.edge.till import ok, problem

__all__ = ["ada", "desk", "eager"]

MANY = 100


def one_left(world: World, person: Person) -> None:
    """All calls of the free plan but one are used."""
    world.as_dba(
        "insert into usage (user_id, action, month, count) values (%s, 'ai', date_trunc('month', now()), 4)",
        person.id,
    )


def ask_the_same(desk: Desk, person: Person, many: int = MANY) -> list[Answer]:
    """All at once, and the provider thinks until they are all waiting."""
    desk.providers.fault("hang")

    def think() -> None:
        eventually(lambda: desk.providers.state()["under_way"] > 0)
        time.sleep(0.3)
        desk.providers.clear()

    return at_once([partial(desk.ask, person)] * many, think)


def test_a_hundred_who_ask_the_same_are_one_call(desk: Desk, world: World, ada: Person) -> None:
    """With one call left of the quota: nobody is refused because the first one holds it."""
    one_left(world, ada)
    answers = [ok(answer) for answer in ask_the_same(desk, ada)]
    assert len({answer["output"] for answer in answers}) == 1
    assert sorted(answer["cached"] for answer in answers) == [False] + [True] * (MANY - 1)
    assert len(desk.providers.calls()) == 1
    assert sum(answer["usage"]["cost_micros"] for answer in answers) == desk.spent() > 0
    assert desk.count(ada) == 5
    assert desk.complaints(before=4) == []
    assert ok(desk.ask(ada))["cached"] is True
    problem(desk.ask(ada, "Something else."), 402, "quota_exceeded")


def replace(world: World, function: LiteralString, old: str, new: str) -> None:
    """Change the text of a function of the database."""
    (row,) = world.as_dba("select pg_get_functiondef(%s::regproc) as text", function)
    assert old in row["text"]
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        connection.execute(row["text"].replace(old, new).encode())


def test_calls_that_do_not_wait_for_each_other_are_caught(desk: Desk, world: World, ada: Person) -> None:
    """The control: without single flight each asks the provider."""
    desk.allow(ada)
    world.as_dba("drop index ai.one_flight_of_a_key")
    replace(world, "ai.take_off", "on conflict (key) where outcome = 'under_way' do nothing", "")
    replace(world, "ai.start_completion", "r.key = v_call.key and r.outcome = 'under_way'", "false")
    ask_the_same(desk, ada, 10)
    assert len(desk.providers.calls()) > 1
    assert desk.count(ada) > 1


def test_an_organization_asks_once(desk: Desk, world: World, ada: Person) -> None:
    """Whoever of them was first pays; a stranger who has the same text asks for himself."""
    members = [ada, world.person("bob"), world.person("cleo")]
    organization = ada.row("select (create_organization('Acme')).id")["id"]
    for member in members[1:]:
        world.as_dba(
            "insert into memberships (organization_id, user_id, role) values (%s, %s, 'member')",
            organization, member.id,
        )  # fmt: skip
    shared, private = (project(ada, organization=of) for of in (organization, None))
    desk.providers.fault("slow", seconds=0.3)
    asks = [partial(desk.ask, member, input={"project_id": shared}) for member in members for _ in range(8)]
    answers = [ok(answer) for answer in at_once(asks)]
    assert len({answer["output"] for answer in answers}) == len(desk.providers.calls()) == 1
    assert sorted(desk.count(member) for member in members) == [0, 0, 1]

    assert ok(desk.ask(ada, input={"project_id": private}))["cached"] is False
    assert len(desk.providers.calls()) == 2
    stranger = world.person("dan")
    problem(desk.ask(stranger, input={"project_id": shared}), 404, "not_found")
    assert desk.count(stranger) == 0
    assert desk.complaints() == []


def test_the_same_text_of_two_persons_is_two_calls(desk: Desk, world: World, ada: Person) -> None:
    bob = world.person("bob")
    answers = at_once([partial(desk.ask, person) for person in (ada, bob) for _ in range(5)])
    assert sum(not ok(answer)["cached"] for answer in answers) == len(desk.providers.calls()) == 2
    assert (desk.count(ada), desk.count(bob)) == (1, 1)
    assert desk.complaints() == []


def test_exactly_the_limit_is_answered(desk: Desk, ada: Person) -> None:
    """Five calls are free; a failed one is not among them."""
    desk.providers.fault("unauthorized", contains="Number 3.")
    answers = at_once([partial(desk.ask, ada, f"Number {number}.") for number in range(14)])
    refused = [answer for answer in answers if answer.status_code == 402]
    answered = [answer for answer in answers if answer.status_code == 200]
    assert all(answer.json()["reason"] == "hard_limit" for answer in refused)
    assert len(answered) <= desk.count(ada) <= 5
    while len(answered) < 5:
        answered.append(desk.ask(ada, f"Later {len(answered)}."))
        ok(answered[-1])
    problem(desk.ask(ada, "One more."), 402, "quota_exceeded")
    assert desk.count(ada) == 5
    assert desk.complaints() == []


def test_the_cap_of_the_installation_is_never_passed(desk: Desk, world: World) -> None:
    """What is under way counts at worst; what it did not take is free for others again."""
    people = [world.person(f"person{number}") for number in range(6)]
    ok(desk.ask(people[0], "How much may this cost?"))
    worst = max(request["worst_cost_micros"] for request in desk.requests())
    cap = desk.spent() + 3 * worst + worst // 2
    world.as_dba("update metering.budgets set cost_limit_micros = %s where action = 'ai'", cap)
    desk.providers.fault("hang", times=6)

    def look() -> None:
        eventually(lambda: desk.providers.state()["under_way"] == 3)
        (row,) = world.as_dba("select cost_micros + held_cost_micros as all from metering.spending")
        assert row["all"] <= cap
        time.sleep(0.2)
        desk.providers.clear()

    asks = [partial(desk.ask, person, "How much may that cost?") for person in people]
    answers = at_once(asks, look)
    refused: list[dict[str, Any]] = [answer.json() for answer in answers if answer.status_code == 503]
    assert len(refused) == 3
    assert {body["scope"] for body in refused} == {"installation"}
    assert desk.spent() <= cap
    assert ok(desk.ask(people[5], "And now?"))["cached"] is False
    assert desk.complaints() == []
