"""Whatever is posted, replayed, reversed and rolled up: the books agree with a few lines of Python."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.rows import dict_row

from tests.ledger.bookkeeping import Ledger, Line

ACCOUNTS = (
    ("ada", "USD", False, False),
    ("bob", "USD", False, False),
    ("bank", "USD", True, False),
    ("fees", "USD", True, True),
    ("ada", "EUR", False, False),
    ("bank", "EUR", True, False),
    ("fees", "EUR", True, True),
)
"""Name, currency, may owe, busy."""

AMOUNTS = st.integers(-60, 60)
MOVES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 60)), min_size=1, max_size=4)


@dataclass
class Model:
    """The books as they should be."""

    balances: list[int] = field(default_factory=lambda: [0] * len(ACCOUNTS))
    may_owe: list[bool] = field(default_factory=lambda: [account[2] for account in ACCOUNTS])
    transfers: dict[str, dict[int, int]] = field(default_factory=dict)
    reversals: dict[str, str] = field(default_factory=dict)
    """By the reference of what they take back."""

    def post(self, reference: str, given: dict[int, int], reverses: str | None = None) -> str:
        """The outcome."""
        sums: dict[str, int] = {}
        for account, amount in given.items():
            currency = ACCOUNTS[account][1]
            sums[currency] = sums.get(currency, 0) + amount
        if len(given) < 2 or any(sums.values()) or 0 in given.values():
            return "validation_failed"
        if reference in self.transfers:
            taken_back = next((of for of, by in self.reversals.items() if by == reference), None)
            same = self.transfers[reference] == given and taken_back == reverses
            return "posted" if same else "conflict"
        if reverses in self.reversals:
            return "invalid_state"
        for account, amount in given.items():
            if amount < 0 and not self.may_owe[account] and self.balances[account] + amount < 0:
                return "invalid_state"
        for account, amount in given.items():
            self.balances[account] += amount
        self.transfers[reference] = given
        if reverses:
            self.reversals[reverses] = reference
        return "posted"


class Machine(RuleBasedStateMachine):
    """Accounts of its own each time, for the ledger forgets nothing."""

    ledger: Ledger

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.tag = uuid.uuid4().hex[:8]
        self.ids = [
            self.ledger.open(f"{name} {self.tag}", currency, owes=owes, busy=busy)
            for name, currency, owes, busy in ACCOUNTS
        ]

    def _reference(self, number: int) -> str:
        return f"{self.tag}:{number}"

    def _lines(self, given: dict[int, int]) -> list[Line]:
        return [(self.ids[account], amount, ACCOUNTS[account][1]) for account, amount in given.items()]

    def _post(self, reference: str, given: dict[int, int]) -> None:
        expected = self.model.post(reference, given)
        assert _outcome(lambda: self.ledger.post(reference, *self._lines(given))) == expected

    @rule(number=st.integers(0, 40), moves=MOVES)
    def move(self, number: int, moves: list[tuple[int, int, int]]) -> None:
        """Sound ones, several givers and takers at once."""
        given: dict[int, int] = {}
        for giver, taker, amount in moves:
            if giver != taker and ACCOUNTS[giver][1] == ACCOUNTS[taker][1]:
                given[giver] = given.get(giver, 0) - amount
                given[taker] = given.get(taker, 0) + amount
        self._post(self._reference(number), {account: amount for account, amount in given.items() if amount})

    @rule(number=st.integers(0, 40), given=st.dictionaries(st.integers(0, 6), AMOUNTS, max_size=4))
    def post_anything(self, number: int, given: dict[int, int]) -> None:
        """Mostly unbalanced."""
        self._post(self._reference(number), given)

    @rule(number=st.integers(0, 100))
    def post_again(self, number: int) -> None:
        if self.model.transfers:
            reference = sorted(self.model.transfers)[number % len(self.model.transfers)]
            if reference not in self.model.reversals.values():
                self._post(reference, dict(reversed(self.model.transfers[reference].items())))

    @rule(number=st.integers(0, 100), by=st.integers(0, 60))
    def reverse(self, number: int, by: int) -> None:
        if self.model.transfers:
            of = sorted(self.model.transfers)[number % len(self.model.transfers)]
            opposite = {account: -amount for account, amount in self.model.transfers[of].items()}
            expected = self.model.post(self._reference(by), opposite, of)
            assert _outcome(lambda: self.ledger.reverse(self._reference(by), of)) == expected

    @rule(account=st.integers(0, 6), may_owe=st.booleans())
    def change_rule(self, account: int, may_owe: bool) -> None:
        if ACCOUNTS[account][3] or (not may_owe and self.model.balances[account] < 0):
            return
        self.ledger.rows(
            "update ledger.accounts set may_go_negative = %s where id = %s", may_owe, self.ids[account]
        )
        self.model.may_owe[account] = may_owe

    @rule()
    def roll_up(self) -> None:
        self.ledger.ask("select ledger.roll_up()")

    @invariant()
    def agrees(self) -> None:
        rows = self.ledger.rows(
            "select account_id, balance from ledger.balances where account_id = any (%s)", self.ids
        )
        balances = {row["account_id"]: row["balance"] for row in rows}
        assert [balances[id_] for id_ in self.ids] == self.model.balances
        assert sum(self.model.balances[:4]) == sum(self.model.balances[4:]) == 0

    def teardown(self) -> None:
        """The whole ledger is sound, and each statement tells the same story."""
        self.ledger.assert_sound()
        for account, id_ in enumerate(self.ids):
            posted = {
                reference: given[account]
                for reference, given in self.model.transfers.items()
                if account in given
            }
            statement, balance = self.ledger.statement(id_), 0
            assert {reference: amount for reference, amount, _ in statement} == posted
            for _, amount, after in statement:
                balance += amount
                assert after == balance


def _outcome(work: Callable[[], object]) -> str | None:
    try:
        work()
    except psycopg.Error as error:
        return error.diag.message_primary
    return "posted"


def _run(ledger: Ledger, examples: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    with psycopg.connect(ledger.world.database_url, autocommit=True, row_factory=dict_row) as used:
        machine = type("Machine", (Machine,), {"ledger": Ledger(ledger.world, used)})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=30,
                deadline=None,
                database=None,
                print_blob=False,
                phases=phases,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )


def test_the_books_agree_with_their_model(ledger: Ledger) -> None:
    _run(ledger, 30)


FAULTS: list[tuple[str, str, str, str]] = [
    ("overdraft", "ledger.book_entry()", "-v_most else 0 end", "-v_most else -v_most end"),
    ("lost entries", "ledger.add_to_totals()", "sum(d.amount)", "max(d.amount)"),
    (
        "no idempotency", "ledger.post(text, ledger.line[], text, jsonb, bigint)",
        "values (post.reference,", "values (post.reference || ':' || gen_random_uuid(),",
    ),
    (
        "unnoticed conflicts", "ledger.post(text, ledger.line[], text, jsonb, bigint)",
        "from (post.description, post.metadata, post.lines",
        "from (post.description, post.metadata, v_transfer.lines",
    ),
    ("one-sided", "ledger.is_transfer(text, ledger.line[], text, jsonb)", "v_sum = 0 and", "v_sum < 5 and"),
]  # fmt: skip
"""What the model must notice: name, function, what it says, what it says instead."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_a_broken_ledger_is_noticed(ledger: Ledger, fault: tuple[str, str, str, str]) -> None:
    name, function, right, wrong = fault
    if name == "overdraft":
        ledger.rows("alter table ledger.totals drop constraint no_overdraft")
    source = ledger.ask("select pg_get_functiondef(%s::regprocedure)", function)
    assert right in source
    with psycopg.connect(ledger.world.database_url) as owner:
        owner.execute(source.replace(right, wrong).encode())
    with pytest.raises(AssertionError):
        _run(ledger, 400, [Phase.generate])
