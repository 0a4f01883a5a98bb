"""Whatever is consumed, held, ended, forgotten and changed: usage agrees with a few lines of Python."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.rows import DictRow, dict_row

from tests.metering.meter import Meter, refusal, replaced

Limits = tuple[int | None, int | None]
"""Calls and millionths of a dollar."""

PLANS: dict[str, Limits] = {"free": (5, 500000), "pro": (500, 20000000)}
AMOUNTS = st.integers(1, 4)
COSTS = st.sampled_from([0, 1, 100000, 300000])


@dataclass
class Hold:
    amount: int
    cost: int
    month: int
    status: str = "held"
    settled: tuple[int, int] | None = None


@dataclass
class Model:
    """What one person used of one action."""

    plan: str = "free"
    override: Limits | None = None
    month: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    costs: dict[int, int] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)

    def used(self, month: int) -> tuple[int, int, int, int]:
        """Count, held, cost, held cost."""
        held = [hold for hold in self.holds if hold.status == "held" and hold.month == month]
        return (
            self.counts.get(month, 0),
            sum(hold.amount for hold in held),
            self.costs.get(month, 0),
            sum(hold.cost for hold in held),
        )

    @property
    def limits(self) -> Limits:
        return self.override or PLANS[self.plan]

    def has_room(self, amount: int, cost: int) -> bool:
        calls, money = self.limits
        count, held, spent, held_cost = self.used(self.month)
        return (calls is None or count + held + amount <= calls) and (
            money is None or spent + held_cost + cost <= money
        )

    def consume(self, amount: int) -> str | None:
        if not self.has_room(amount, 0):
            return "quota_exceeded"
        self.counts[self.month] = self.counts.get(self.month, 0) + amount
        return None

    def reserve(self, amount: int, cost: int) -> str | None:
        if not self.has_room(amount, cost):
            return "quota_exceeded"
        self.holds.append(Hold(amount, cost, self.month))
        return None

    def settle(self, hold: Hold, amount: int, cost: int) -> str | None:
        if amount > hold.amount:
            return "validation_failed"
        if hold.status == "released":
            return "invalid_state"
        if hold.status == "settled":
            return None if hold.settled == (amount, cost) else "conflict"
        if hold.status == "expired":
            calls, (count, held, _, _) = self.limits[0], self.used(hold.month)
            if amount and calls is not None and count + held + amount > calls:
                return "quota_exceeded"
        hold.status, hold.settled = "settled", (amount, cost)
        self.counts[hold.month] = self.counts.get(hold.month, 0) + amount
        self.costs[hold.month] = self.costs.get(hold.month, 0) + cost
        return None

    def release(self, hold: Hold) -> str | None:
        if hold.status == "settled":
            return "invalid_state"
        hold.status = "released"
        return None


class Machine(RuleBasedStateMachine):
    """A person of its own each time."""

    meter: Meter
    connection: psycopg.Connection[DictRow]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.ids: list[uuid.UUID] = []
        self.person = self.meter.world.person(uuid.uuid4().hex)

    def _outcome(self, statement: LiteralString, *parameters: object) -> str | None:
        return refusal(lambda: self.connection.execute(statement, parameters))

    def _hold(self, number: int) -> tuple[Hold, uuid.UUID] | None:
        if not self.ids:
            return None
        place = -1 - number % min(len(self.ids), 6)  # the latest, mostly
        return self.model.holds[place], self.ids[place]

    @rule(amount=AMOUNTS)
    def consume(self, amount: int) -> None:
        expected = self.model.consume(amount)
        assert self._outcome("select metering.consume(%s, 'ai', %s)", self.person.id, amount) == expected

    @rule(amount=AMOUNTS, cost=COSTS)
    def reserve(self, amount: int, cost: int) -> None:
        expected, key = self.model.reserve(amount, cost), uuid.uuid4().hex
        reserve: LiteralString = "select metering.reserve(%s, 'ai', %s, %s, '1 hour', %s) as id"
        assert self._outcome(reserve, self.person.id, amount, cost, key) == expected
        if expected is None:
            row = self.connection.execute(reserve, [self.person.id, amount, cost, key]).fetchone()
            assert row
            self.ids.append(row["id"])

    @rule(number=st.integers(0, 5), amount=st.integers(0, 4), cost=COSTS)
    def settle(self, number: int, amount: int, cost: int) -> None:
        if chosen := self._hold(number):
            hold, id_ = chosen
            expected = self.model.settle(hold, amount, cost)
            assert self._outcome("select metering.settle(%s, %s, %s)", id_, amount, cost) == expected

    @rule(number=st.integers(0, 5))
    def settle_all(self, number: int) -> None:
        if chosen := self._hold(number):
            hold, id_ = chosen
            amount, cost = hold.settled or (hold.amount, hold.cost)
            expected = self.model.settle(hold, amount, cost)
            assert self._outcome("select metering.settle(%s, %s, %s)", id_, amount, cost) == expected

    @rule(number=st.integers(0, 5))
    def release(self, number: int) -> None:
        if chosen := self._hold(number):
            hold, id_ = chosen
            expected = self.model.release(hold)
            assert self._outcome("select metering.release(%s)", id_) == expected

    @rule()
    def let_holds_expire(self) -> None:
        self.meter.let_holds_expire()
        for hold in self.model.holds:
            if hold.status == "held":
                hold.status = "expired"

    @rule()
    def tidy(self) -> None:
        self.connection.execute("select metering.tidy('{}')")

    @rule()
    def let_a_month_pass(self) -> None:
        self.meter.let_a_month_pass(self.person.id)
        self.model.month += 1

    @rule(plan=st.sampled_from(sorted(PLANS)))
    def change_plan(self, plan: str) -> None:
        """Without the subscription that it follows: that is billing's."""
        with psycopg.connect(self.meter.world.superuser_url) as superuser:
            superuser.execute("set local session_replication_role = replica")
            superuser.execute(
                "update public.profiles set subscription_tier = %s where id = %s", [plan, self.person.id]
            )
        self.model.plan = plan

    @rule(calls=st.none() | st.integers(0, 8), money=st.none() | st.integers(0, 400000))
    def override(self, calls: int | None, money: int | None) -> None:
        self.meter.limit(self.person, calls, action="ai", cost=money)
        self.model.override = (calls, money)

    @rule()
    def drop_override(self) -> None:
        self.connection.execute("delete from metering.overrides where user_id = %s", [self.person.id])
        self.model.override = None

    @invariant()
    def agrees(self) -> None:
        row = self.connection.execute(
            "select used, held, cost_micros, hard_limit, cost_limit_micros from metering.status(%s, 'ai')",
            [self.person.id],
        ).fetchone()
        assert row
        count, held, cost, _ = self.model.used(self.model.month)
        assert tuple(row.values()) == (count, held, cost, *self.model.limits)

    def teardown(self) -> None:
        """Also of the months that have passed."""
        self.let_holds_expire()
        self.tidy()
        rows = self.connection.execute(
            "select u.count, u.held, u.cost_micros, u.held_cost_micros from public.usage as u"
            " where u.user_id = %s and (count, held, cost_micros) <> (0, 0, 0) order by month desc",
            [self.person.id],
        ).fetchall()
        months = [self.model.used(month) for month in range(self.model.month, -1, -1)]
        assert [tuple(row.values()) for row in rows] == [used for used in months if any(used)]
        self.meter.assert_sound()


def _run(meter: Meter, examples: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    with psycopg.connect(meter.world.database_url, autocommit=True, row_factory=dict_row) as used:
        machine = type("Machine", (Machine,), {"meter": meter, "connection": used})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                database=None,
                print_blob=False,
                phases=phases,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )


@pytest.fixture
def rich(meter: Meter) -> Meter:
    """So many people, one after the other, that together they would spend the budget."""
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 1000000000000")
    return meter


def test_usage_agrees_with_its_model(rich: Meter) -> None:
    _run(rich, 15)


OCCUPY = "metering.occupy(metering.limits, date, bigint, bigint, bigint)"

SETTLE = "metering.settle(uuid, bigint, bigint)"

FAULTS: list[tuple[str, str, str, str]] = [
    ("holds do not count", OCCUPY, "u.count + u.held + excluded.count", "u.count + excluded.count"),
    (
        "counting forgets holds", "metering.consume(uuid, text, bigint)",
        "u.count + u.held + consume.amount", "u.count + consume.amount",
    ),
    ("costs are lost", SETTLE, "u.cost_micros + settle.cost_micros", "u.cost_micros"),
    (
        "what expired stays", OCCUPY,
        "metering.end_expired_holds(limits.user_id, limits.action, month)", "false",
    ),
    ("released keeps", "metering.release(uuid)", "u.held - v_held.amount", "u.held - v_held.amount + 1"),
]  # fmt: skip
"""What the model must notice: name, function, what it says, what it says instead."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_a_broken_meter_is_noticed(rich: Meter, fault: tuple[str, str, str, str]) -> None:
    _, function, right, wrong = fault
    replaced(rich.world, function, right, wrong)
    with pytest.raises(AssertionError):
        _run(rich, 300, [Phase.generate])
