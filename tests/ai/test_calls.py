"""An AI call in SQL: decided, held, counted and paid in one commit each."""

from tests.acting import World
from tests.ai.calls import Edge, answered, follow, logged, spending, start, usage


def test_a_call_is_held_then_counted_and_paid(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    assert led["state"] == "lead"
    assert (led["provider"], led["model"]) == ("anthropic", "claude-haiku-4-5")
    assert "A text." in led["prompt"]
    assert "A text." not in led["instructions"]
    held = usage(ada)
    assert (held["count"], held["held"]) == (0, 1)
    assert spending(world) == (0, held["held_cost_micros"])

    answer = edge.finish(led["request_id"], "An answer.", {"input_tokens": 200, "output_tokens": 20})
    assert (answer["output"], answer["cached"]) == ("An answer.", False)
    assert answer["request_id"] == led["request_id"]
    assert answer["usage"] == {
        "input_tokens": 200, "cached_input_tokens": 0, "output_tokens": 20,
        "cost_micros": 300, "assumed": False,
    }  # fmt: skip
    assert answer["limits"]["used"] == 1
    assert usage(ada) == {"count": 1, "held": 0, "cost_micros": 300, "held_cost_micros": 0}
    assert spending(world) == (300, 0)


def test_an_answer_is_given_again_for_nothing(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    answered(ada, edge, "One  text.\r\n")
    hit = start(ada, "One  text.\n")
    assert hit["request_id"] == logged(world, "id")[1]["id"]
    assert (hit["state"], hit["cached"], hit["output"]) == ("answered", True, "An answer.")
    assert hit["usage"]["cost_micros"] == 0
    assert usage(ada)["count"] == 1
    assert [row["outcome"] for row in logged(world, "outcome")] == ["answered", "hit"]


def test_who_asks_the_same_meanwhile_follows(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    followed = start(ada)
    assert followed == {"state": "follow", "request_id": led["request_id"]}
    assert follow(ada, led["request_id"]) == {"state": "under_way"}
    edge.finish(led["request_id"])
    answer = follow(ada, led["request_id"])
    assert (answer["state"], answer["cached"], answer["output"]) == ("answered", True, "An answer.")
    assert usage(ada)["count"] == 1
