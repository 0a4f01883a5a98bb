"""What a call may cost, what it does cost, and who pays."""

from typing import Any

from tests.acting import World, refused
from tests.ai.calls import Edge, answered, logged, pro, spending, start, usage


def worst(world: World) -> int:
    (row,) = world.as_dba("select worst_cost_micros from ai.requests order by created_at desc limit 1")
    cost: int = row["worst_cost_micros"]
    return cost


def test_the_hold_covers_the_worst_case(world: World) -> None:
    ada = world.person("ada")
    led = start(ada, "Ä" * 1000)
    text = led["instructions"] + led["prompt"]
    input_bound = len(text.encode()) + 500
    assert worst(world) == -(-(input_bound * 1_250_000 + 1024 * 5_000_000) // 1_000_000)
    assert usage(ada)["held_cost_micros"] == worst(world)


def test_each_kind_of_token_has_its_price(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada, {"text": "A text.", "labels": ["a", "b"]}, feature="classify")
    counts = {"input_tokens": 300, "cached_input_tokens": 100, "cache_write_tokens": 100, "output_tokens": 40}
    answer = edge.finish(led["request_id"], "a", counts)
    # (100 * 0.1 + 100 * 0.01 + 100 * 0.125 + 40 * 0.5) micros, and no part of one is given away
    assert answer["usage"]["cost_micros"] == 44
    assert usage(ada)["cost_micros"] == 44


def test_each_attempt_that_was_answered_is_paid(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    counts = {"input_tokens": 200, "output_tokens": 20}
    answer = edge.finish(start(ada)["request_id"], "An answer.", [counts, counts])
    assert (answer["usage"]["cost_micros"], answer["usage"]["assumed"]) == (600, False)
    answer = edge.finish(start(ada, "Another.")["request_id"], "An answer.", [counts, None])
    assert (answer["usage"]["cost_micros"], answer["usage"]["assumed"]) == (300 + worst(world), True)
    assert usage(ada)["count"] == 2


IMPOSSIBLE_COUNTS: list[Any] = [
    None,
    {},
    {"input_tokens": 200},
    {"output_tokens": 20},
    {"input_tokens": None, "output_tokens": 20},
    {"input_tokens": -200, "output_tokens": 20},
    {"input_tokens": 200, "output_tokens": -20},
    {"input_tokens": 200, "output_tokens": 0},
    {"input_tokens": 0, "output_tokens": 20},
    {"input_tokens": 1e30, "output_tokens": 20},
    {"input_tokens": 200, "output_tokens": 1025},
    {"input_tokens": 200.5, "output_tokens": 20},
    {"input_tokens": "200", "output_tokens": "20"},
    {"input_tokens": 200, "output_tokens": 20, "cached_input_tokens": 201},
    {"input_tokens": 200, "output_tokens": 20, "cached_input_tokens": -1},
    [],
]


def test_counts_that_cannot_be_are_taken_as_the_worst(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    pro(world, ada)
    for number, tokens in enumerate(IMPOSSIBLE_COUNTS):
        answer = edge.finish(start(ada, f"Text {number}.")["request_id"], "An answer.", tokens)
        assert answer["usage"]["assumed"] is True, tokens
        assert answer["usage"]["cost_micros"] == worst(world), tokens
    costs = sum(row["worst_cost_micros"] for row in logged(world, "worst_cost_micros"))
    assert usage(ada)["cost_micros"] == costs
    assert spending(world) == (costs, 0)


def test_what_could_exceed_the_ceiling_is_refused(world: World) -> None:
    world.as_dba("update ai.features set cost_ceiling_micros = 7000 where feature = 'summarize'")
    ada = world.person("ada")
    assert start(ada, "short")["state"] == "lead"
    with refused("validation_failed", field="input", cost_ceiling_micros=7000):
        start(ada, "long " * 1000)
    assert usage(ada)["held"] == 1


def test_no_more_calls_than_the_plan_has(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    for number in range(5):
        answered(ada, edge, f"Text {number}.")
    with refused("quota_exceeded", action="ai", limit=5, used=5, reason="hard_limit"):
        start(ada, "Text 5.")
    assert start(ada, "Text 0.")["cached"] is True  # costs nothing


def test_no_more_money_than_the_plan_has(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    world.as_dba("update plan_limits set cost_limit_micros = 6200 where (plan, action) = ('free', 'ai')")
    answered(ada, edge, "Text 0.")
    with refused("quota_exceeded", reason="cost_limit", scope="user"):
        start(ada, "Text 1.")
    assert usage(ada)["held"] == 0


def test_no_more_money_than_the_installation_has(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    world.as_dba("update metering.budgets set cost_limit_micros = 6200")
    answered(ada, edge)
    with refused("provider_unavailable", scope="installation"):
        start(bob, "Another text.")
    assert start(ada)["cached"] is True
    assert usage(bob)["held"] == 0


def test_who_asks_why_is_told_of_a_budget_that_no_call_fits_into(world: World) -> None:
    ada = world.person("ada")

    def reason() -> object:
        return ada.row("select explain_access('ai') ->> 'reason' as r")["r"]

    world.as_dba("update ai.features set enabled = feature = 'summarize'")
    start(ada)
    (hold,) = logged(world, "worst_cost_micros")
    world.as_dba("update metering.budgets set cost_limit_micros = %s", 2 * hold["worst_cost_micros"])
    assert reason() is None
    world.as_dba("update ai.models set output_micros = 3 * output_micros")
    assert reason() == "budget"
    with refused("provider_unavailable", reason="budget"):
        start(ada, "Another text.")


def test_a_plan_without_ai_has_no_answers_either(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    answered(ada, edge)
    world.as_dba("delete from plan_limits where (plan, action) = ('free', 'ai')")
    with refused("quota_exceeded", reason="not_in_plan"):
        start(ada)


def test_a_failed_call_costs_nothing(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    edge.fail(start(ada)["request_id"], "rate_limited")
    assert usage(ada) == {"count": 0, "held": 0, "cost_micros": 0, "held_cost_micros": 0}
    assert spending(world) == (0, 0)
    assert logged(world, "outcome", "reason", "cost_micros") == [
        {"outcome": "failed", "reason": "rate_limited", "cost_micros": 0}
    ]


def test_lost_attempts_cost_their_worst_and_count_for_nothing(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    edge.finish(start(ada)["request_id"], lost=1)
    first = 300 + worst(world)
    assert (usage(ada)["cost_micros"], spending(world)) == (first, (first, 0))
    edge.fail(start(ada, "Another text.")["request_id"], "timeout", lost=2)
    assert usage(ada)["count"] == 1
    lost = logged(world, "lost_cost_micros")[1]["lost_cost_micros"]
    assert (usage(ada)["cost_micros"], spending(world)) == (first + lost, (first + lost, 0))


def test_nobody_spends_the_budget_of_all_while_a_provider_loses_answers(world: World, edge: Edge) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    world.as_dba("update plan_limits set cost_limit_micros = 100000 where (plan, action) = ('free', 'ai')")
    with refused("quota_exceeded", reason="cost_limit"):
        for number in range(100):
            edge.fail(start(ada, f"Text number {number}.")["request_id"], "unreachable", lost=2)
    assert usage(ada)["count"] == 0
    assert start(bob)["state"] == "lead"


def test_who_is_declined_pays_for_the_tokens_but_no_call(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    edge.fail(start(ada)["request_id"], "declined", {"input_tokens": 200, "output_tokens": 0}, declined=True)
    assert usage(ada) == {"count": 0, "held": 0, "cost_micros": 200, "held_cost_micros": 0}
    assert spending(world) == (200, 0)


def test_money_spent_after_the_hold_expired_is_recorded(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    led = start(ada)
    for number in range(4):
        answered(ada, edge, f"Text {number}.")
    world.as_dba("alter table metering.reservations disable trigger user")
    world.as_dba(
        "update metering.reservations set created_at = created_at - interval '30 minutes',"
        " expires_at = expires_at - interval '30 minutes' where status = 'held'"
    )
    answered(ada, edge, "Text 4.")
    assert usage(ada)["count"] == 5
    assert edge.finish(led["request_id"])["limits"]["used"] == 5
    assert usage(ada) == {"count": 5, "held": 0, "cost_micros": 6 * 300, "held_cost_micros": 0}
    assert spending(world) == (6 * 300, 0)
