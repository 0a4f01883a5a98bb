"""One call at a time for the same question, whoever dies in the middle."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acting import World, refused
from tests.ai.calls import TOKENS, Edge, answered, follow, logged, pro, spending, start, usage


def let_lease_run_out(world: World, request_id: str) -> None:
    world.as_dba(
        "update ai.requests set lease_until = now() - interval '2 minutes' where id = %s",
        uuid.UUID(request_id),
    )


def test_of_many_that_ask_at_once_one_leads(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    with ThreadPoolExecutor(20) as pool:
        started = list(pool.map(lambda _: start(ada), range(40)))
    leads = [each for each in started if each["state"] == "lead"]
    assert len(leads) == 1
    assert {each["request_id"] for each in started} == {leads[0]["request_id"]}
    assert usage(ada)["held"] == 1
    edge.finish(leads[0]["request_id"])
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: follow(ada, leads[0]["request_id"]), range(39)))
    assert {each["output"] for each in answers} == {"An answer."}
    assert usage(ada)["count"] == 1


def test_many_that_start_and_finish_at_once_wait_in_no_circle(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    pro(world, ada)

    def ask(number: int) -> str:
        text = f"Text {number % 5}."
        started = start(ada, text)
        while started["state"] == "follow":
            started = follow(ada, started["request_id"])
            if started["state"] == "under_way":
                started = start(ada, text)
        if started["state"] == "lead":
            started = edge.finish(started["request_id"], text)
        return str(started["output"])

    with ThreadPoolExecutor(10) as pool:
        outputs = list(pool.map(ask, range(100)))
    assert outputs == [f"Text {number % 5}." for number in range(100)]
    assert usage(ada) == {"count": 5, "held": 0, "cost_micros": 1500, "held_cost_micros": 0}
    assert spending(world) == (1500, 0)


def test_the_last_of_the_quota_serves_all_that_ask_the_same(world: World) -> None:
    ada = world.person("ada")
    world.as_dba("update plan_limits set hard_limit = 1 where (plan, action) = ('free', 'ai')")
    led = start(ada)
    assert start(ada) == {"state": "follow", "request_id": led["request_id"]}
    with refused("quota_exceeded", held=1):
        start(ada, "Another text.")


def test_a_flight_whose_edge_died_is_taken_over(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    dead = start(ada)
    let_lease_run_out(world, dead["request_id"])
    assert start(ada) == {"state": "follow", "request_id": dead["request_id"]}
    assert follow(ada, dead["request_id"]) == {"state": "gone"}
    assert usage(ada)["held"] == 0
    lost = logged(world, "lost_cost_micros")[0]["lost_cost_micros"]
    assert spending(world) == (lost, 0)
    edge.finish(start(ada)["request_id"])
    assert usage(ada) == {"count": 1, "held": 0, "cost_micros": lost + 300, "held_cost_micros": 0}
    assert spending(world) == (lost + 300, 0)


def test_an_edge_that_was_taken_for_dead_changes_nothing_but_the_cost(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    zombie = start(ada)
    let_lease_run_out(world, zombie["request_id"])
    follow(ada, zombie["request_id"])
    led = start(ada)
    assert edge.renew(zombie["request_id"]) is False
    late = edge.finish(zombie["request_id"], "A late answer.")
    assert (late["output"], late["limits"]["used"]) == ("A late answer.", 0)
    assert follow(ada, led["request_id"]) == {"state": "under_way"}
    edge.finish(led["request_id"], "The answer.")
    edge.finish(zombie["request_id"], "A late answer.")
    assert start(ada)["output"] == "The answer."
    assert usage(ada) == {"count": 1, "held": 0, "cost_micros": 600, "held_cost_micros": 0}
    assert spending(world) == (600, 0)
    assert logged(world, "outcome", "cost_micros", "lost_cost_micros")[0] == {
        "outcome": "abandoned", "cost_micros": 300, "lost_cost_micros": 0,
    }  # fmt: skip


def test_who_renews_is_not_taken_for_dead(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    let_lease_run_out(world, led["request_id"])
    assert edge.renew(led["request_id"]) is True
    assert follow(ada, led["request_id"]) == {"state": "under_way"}


def test_nobody_is_kept_waiting_for_ever(world: World, edge: Edge) -> None:
    """No call takes ten minutes: whoever still renews is broken, or a thief."""
    ada = world.person("ada")
    led = start(ada)
    assert edge.renew(led["request_id"])
    world.as_dba(
        "update ai.requests set created_at = created_at - interval '10 minutes' where id = %s",
        uuid.UUID(led["request_id"]),
    )
    assert not edge.renew(led["request_id"])
    let_lease_run_out(world, led["request_id"])
    assert follow(ada, led["request_id"]) == {"state": "gone"}


def test_finishing_twice_counts_once(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    assert edge.finish(led["request_id"]) == edge.finish(led["request_id"])
    edge.fail(led["request_id"], "timeout", lost=1)
    assert usage(ada)["count"] == 1
    assert spending(world) == (300, 0)


def test_followers_share_the_failure(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    edge.fail(led["request_id"], "overloaded")
    assert follow(ada, led["request_id"]) == {"state": "failed", "reason": "overloaded"}
    assert start(ada)["state"] == "lead"


def test_what_is_never_given_again_is_still_asked_once_at_a_time(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set cache_for = '0' where feature = 'summarize'")
    ada = world.person("ada")
    led = start(ada)
    assert start(ada)["state"] == "follow"
    edge.finish(led["request_id"])
    assert follow(ada, led["request_id"])["output"] == "An answer."
    assert start(ada)["state"] == "lead"


def test_an_idempotency_key_gets_the_first_answer(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set cache_for = '0' where feature = 'summarize'")
    ada = world.person("ada")
    answered(ada, edge, "A text.", "The first.", key="one")
    answered(ada, edge, "A text.", "The second.")
    assert start(ada, "A text.", key="one")["output"] == "The first."
    with refused("conflict", idempotency_key="one"):
        start(ada, "Another text.", key="one")
    assert usage(ada)["count"] == 2


def test_a_key_whose_call_failed_may_be_used_again(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    edge.fail(start(ada, key="one")["request_id"])
    assert start(ada, key="one")["state"] == "lead"


def test_an_answer_is_given_again_while_it_is_fresh(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    answered(ada, edge)
    world.as_dba("update ai.answers set fresh_until = now()")
    led = start(ada)
    assert led["state"] == "lead"
    edge.finish(led["request_id"], "A new answer.")
    assert start(ada)["output"] == "A new answer."


@pytest.mark.parametrize("change", ["model", "instructions", "parameters"])
def test_another_model_prompt_or_parameter_is_another_question(world: World, edge: Edge, change: str) -> None:
    ada = world.person("ada")
    answered(ada, edge)
    world.as_dba(
        "insert into ai.models select provider, 'claude-haiku-5-5', input_micros, cached_input_micros,"
        " cache_write_micros, output_micros, up_to_tokens, source, valid_from from ai.models"
        " where provider = 'anthropic'"
    )
    world.as_dba(
        "update ai.features set"
        " model = case %s when 'model' then 'claude-haiku-5-5' else model end,"
        " instructions = case %s when 'instructions' then 'Otherwise.' else instructions end,"
        " parameters = case %s when 'parameters' then '{\"max_tokens\": 100}' else parameters end"
        " where feature = 'summarize'",
        change, change, change,
    )  # fmt: skip
    assert start(ada)["state"] == "lead"


def test_what_the_job_finds_dead_it_ends(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    dead = [start(ada, f"Text {number}.")["request_id"] for number in range(2)]
    for each in dead:
        let_lease_run_out(world, each)
    for _ in dead:
        world.as_dba("select ai.tidy('{}')")
    assert [row["outcome"] for row in logged(world, "outcome")] == ["abandoned", "abandoned"]
    assert usage(ada)["held"] == 0
    assert edge.finish(dead[0], tokens=TOKENS)["state"] == "answered"
