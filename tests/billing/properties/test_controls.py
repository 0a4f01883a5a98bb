"""Broken databases, each as somebody might write it: what finds nothing wrong with them proves nothing."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from scripts.stack.stack import Stack
from tests.billing.properties.database import Database
from tests.billing.properties.examples import Stage, stage
from tests.billing.properties.play import Chaos, Step
from tests.billing.properties.scenes import ONLY, ORDERS, SUBSCRIPTIONS
from tests.billing.properties.test_orders_of_events import orders, rehearsing
from tests.conftest import clone


class Control(NamedTuple):
    """A function, what is sound about it, what stands there instead, and where that shows."""

    function: str
    sound: str
    broken: str
    scene: str


CONTROLS = {
    "the last one to arrive wins": Control(
        "billing.merge_subscription(jsonb, bigint, bigint)",
        "v_status = 'canceled' or (v_known.payloads_decide and created > v_known.as_of)",
        "created is not null",
        "to end",
    ),
    "of one second the last one wins": Control(
        "billing.merge_subscription(jsonb, bigint, bigint)",
        "created > v_known.as_of",
        "created >= v_known.as_of",
        "to end",
    ),
    "of one second the first one wins": Control(
        "billing.merge_subscription(jsonb, bigint, bigint)",
        "or created = v_known.as_of",
        "",
        "to end",
    ),
    "the end of a dispute is no end": Control(
        "billing.step(text, text, text)",
        "when found then to_status else from_status",
        "when found then to_status else to_status",
        "dispute lost",
    ),
    "the amount that was heard of last": Control(
        "billing.merge_charge(jsonb)", "greatest(s.refunded_seen, ", "(", "refunded in part"
    ),
    "what waits is forgotten": Control(
        "billing.apply_waiting(jsonb)", "e.status = 'received'", "e.status = 'forgotten'", "dispute open"
    ),
    "a debit under way leaves what was declined": Control(
        "billing.settle_order(uuid)",
        "when 'processing' then 'pending'",
        "when 'processing' then v_order.status",
        "declined, then a debit under way",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_broken_is_found(stage_of_examples: Stage, name: str) -> None:
    control = CONTROLS[name]
    asks = control.scene in SUBSCRIPTIONS
    with rehearsing(stage_of_examples, (ORDERS | SUBSCRIPTIONS)[control.scene]) as rehearsal:
        told = rehearsal.events()
        if control.scene == "refunded in part":
            told = [event for event in told if event["type"] not in ONLY["by the refund"]]
        assert not rehearsal.wrong(told, asks=asks)
        rehearsal.sabotage(control.function, control.sound, control.broken)
        assert any(rehearsal.wrong(order, asks=asks) for order in orders(told))


ASKED_TWICE = [
    Step("subscribe", "succeed"),
    *(Step("deliver", 100), Step("work", 50)),
    *(Step("portal", "cancel"), Step("deliver", 100), Step("work", 50)),
    *[Step("record")] * 4,
]
"""Answers to older and newer questions are recorded in any order."""


def test_an_older_answer_that_wins_is_found(local_stack: Stack, template: str) -> None:
    def prefer_the_last(database: Database) -> None:
        (row,) = database.rows(
            "select pg_get_functiondef('billing.merge_subscription(jsonb, bigint, bigint)'::regprocedure)"
            " as sound"
        )
        assert "ticket > v_known.applied_ticket" in row["sound"]
        database.dba.execute(row["sound"].replace("ticket > v_known.applied_ticket", "true").encode())

    with stage(local_stack, lambda: clone(local_stack, template)) as broken:
        broken.prepare = prefer_the_last
        found = 0
        for seed in range(8):
            try:
                broken.show(ASKED_TWICE, Chaos(seed))
            except AssertionError:
                found += 1
                break
    assert found


def test_an_older_answer_does_not_win(stage_of_examples: Stage) -> None:
    for seed in range(3):
        stage_of_examples.show(ASKED_TWICE, Chaos(seed))
