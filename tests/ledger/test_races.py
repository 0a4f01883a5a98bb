"""Real connections: twins, crossing transfers, busy accounts, clients that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acting import refused
from tests.ledger.bookkeeping import Ledger, lines, move

SIMPLE_POST: LiteralString = "select ledger.post(%s, %s::ledger.line[])"
NO_WAITING: LiteralString = "set lock_timeout = '50ms'"


@contextmanager
def _waiting(ledger: Ledger, work: Any, *arguments: object) -> Iterator[Future[Any]]:
    """The work, begun in another thread and now waiting for a lock."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work, *arguments)
        for _ in range(500):
            if ledger.ask(
                "select count(*) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            ):
                break
            assert not future.done(), "it did not wait"
            time.sleep(0.01)
        yield future


def test_a_twin_waits_and_gets_the_first_result(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    with ledger.transaction() as first:
        posted = first.post("deposit", *move(5, bank, ada))
        with _waiting(ledger, ledger.post, "deposit", *move(5, bank, ada)) as twin:
            assert first.connection
            first.connection.commit()
            assert twin.result(timeout=30) == posted
    assert ledger.balance(ada) == 5
    ledger.assert_sound()


def test_a_twin_posts_itself_when_the_first_gives_up(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    with ledger.transaction() as first:
        posted = first.post("deposit", *move(5, bank, ada))
        with _waiting(ledger, ledger.post, "deposit", *move(5, bank, ada)) as twin:
            assert first.connection
            first.connection.rollback()
            assert twin.result(timeout=30)["id"] != posted["id"]
    assert (ledger.balance(ada), ledger.count()) == (5, 1)
    ledger.assert_sound()


def test_many_twins_and_reversals_have_one_effect(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    with ThreadPoolExecutor(8) as threads:
        twins = threads.map(lambda _: ledger.post("deposit", *move(5, bank, ada))["id"], range(16))
        assert len(set(twins)) == 1
        ledger.post("more", *move(100, bank, ada))

        def reverse(number: int) -> bool:
            return ledger.try_to("select ledger.reverse(%s, 'deposit')", f"oops:{number}")

        assert sum(threads.map(reverse, range(8))) == 1
    assert ledger.balance(ada) == 100
    ledger.assert_sound()


def test_parallel_spending_never_overdraws(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    ledger.post("deposit", *move(100, bank, ada))

    def spend(number: int) -> bool:
        return ledger.try_to(SIMPLE_POST, f"spend:{number}", lines(*move(30, ada, bank)))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(spend, range(16))) == 3
    assert ledger.balance(ada) == 10
    ledger.assert_sound()


def test_who_waited_for_money_gets_it(ledger: Ledger) -> None:
    """The refusal is decided on what is there once the lock is."""
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    with ledger.transaction() as depositor:
        depositor.post("deposit", *move(5, bank, ada))
        with _waiting(ledger, ledger.post, "spend", *move(5, ada, bank)) as spending:
            assert depositor.connection
            depositor.connection.commit()
            spending.result(timeout=30)
    assert ledger.balance(ada) == 0


def test_random_transfers_among_few_accounts_do_not_deadlock(ledger: Ledger) -> None:
    guarded = [ledger.open(f"guarded{number}") for number in range(3)]
    accounts = [*guarded, ledger.open("bank", owes=True), ledger.open("fees", busy=True)]
    for account in guarded:
        ledger.post(f"deposit:{account}", *move(200, accounts[3], account))

    def work(seed: int) -> int:
        chance, posted = random.Random(seed), 0  # noqa: S311
        with psycopg.connect(ledger.world.database_url, autocommit=True, row_factory=dict_row) as connection:
            mine = Ledger(ledger.world, connection)
            for number in range(40):
                taken = chance.sample(accounts, chance.randint(2, 4))
                amounts = [chance.randint(1, 60) for _ in taken[1:]]
                given = lines((taken[0], -sum(amounts)), *zip(taken[1:], amounts, strict=True))
                posted += mine.try_to(SIMPLE_POST, f"{seed}:{number}", given)
                if number % 10 == 9:
                    mine.ask("select ledger.roll_up()")
        return posted

    with ThreadPoolExecutor(8) as threads:
        posted = sum(threads.map(work, range(8)))
    assert ledger.count() == posted + 3 > 50
    assert ledger.ask("select sum(balance) from ledger.balances") == 0
    ledger.assert_sound()


def test_posting_to_a_busy_account_waits_for_nobody(ledger: Ledger) -> None:
    ada, bob = ledger.open("ada", owes=True), ledger.open("bob", owes=True)
    fees, kept = ledger.open("fees", busy=True), ledger.open("kept")
    with ledger.transaction() as held, ledger.transaction(NO_WAITING) as impatient:
        held.post("fee:1", *move(1, ada, fees))
        impatient.post("fee:2", *move(2, bob, fees))
        impatient.ask("select ledger.roll_up()")
        held.post("fee:3", *move(3, ada, fees))
        # What the same looks like where a balance is kept.
        held.post("kept:1", *move(1, ada, kept))
        with refused("55P03"):
            impatient.post("kept:2", *move(2, bob, kept))
        assert impatient.connection
        impatient.connection.rollback()
    ledger.post("fee:4", *move(4, bob, fees))
    assert ledger.balance(fees) == 8
    ledger.assert_sound()


def test_a_roll_up_misses_nothing_that_commits_late(ledger: Ledger) -> None:
    ada, bob, fees = (
        ledger.open("ada", owes=True),
        ledger.open("bob", owes=True),
        ledger.open("fees", busy=True),
    )
    with ledger.transaction() as late:
        late.post("late", *move(1, ada, fees))
        ledger.post("early", *move(2, bob, fees))
        assert ledger.ask("select ledger.roll_up()") == {"entries": 1}
        ledger.assert_sound()
    assert ledger.balance(fees) == 3
    assert ledger.ask("select ledger.roll_up()") == {"entries": 1}
    ledger.assert_sound()


@pytest.mark.parametrize("locking", [True, False])
def test_several_postings_in_one_transaction_lock_first(ledger: Ledger, locking: bool) -> None:
    accounts = [ledger.open(f"account{number}", owes=True) for number in range(4)]
    there, back = move(1, *accounts[:2]), move(1, *accounts[2:])

    def both(tag: str) -> str:
        with ledger.transaction() as other:
            if locking:
                other.ask("select ledger.lock(%s)", accounts[::-1])
            try:
                other.post(f"{tag}:back", *back)
                other.post(f"{tag}:there", *there)
            except psycopg.errors.DeadlockDetected:
                assert other.connection
                other.connection.rollback()
                return "deadlock"
            return "posted"

    with ledger.transaction() as first:
        if locking:
            first.ask("select ledger.lock(%s)", accounts)
        first.post("first:there", *there)
        with _waiting(ledger, both, "second") as second:
            outcome = "posted"
            try:
                first.post("first:back", *back)
            except psycopg.errors.DeadlockDetected:
                outcome = "deadlock"
            assert first.connection
            first.connection.rollback() if outcome == "deadlock" else first.connection.commit()
            outcomes = {outcome, second.result(timeout=30)}
    assert outcomes == ({"posted"} if locking else {"posted", "deadlock"})
    ledger.assert_sound()


CLIENT = """
import sys, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("select ledger.post('deposit', %s::ledger.line[])", [sys.argv[2]])
    if sys.argv[3] == "after":
        connection.commit()
    print("posted", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("commit", ["before", "after"])
def test_a_killed_client_leaves_all_or_nothing(ledger: Ledger, commit: str) -> None:
    ada, bank, fees = ledger.open("ada"), ledger.open("bank", owes=True), ledger.open("fees", busy=True)
    given = ((bank, -10), (ada, 9), (fees, 1))
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, ledger.world.database_url, lines(*given), commit],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout
        assert client.stdout.readline() == "posted\n"
        os.kill(client.pid, signal.SIGKILL)
    before = ledger.balance(ada)
    ledger.post("deposit", *given)  # waits until the server has noticed
    assert [ledger.balance(account) for account in (ada, bank, fees)] == [9, -10, 1]
    assert ledger.count() == 1
    assert before == 9 or commit == "before"
    ledger.assert_sound()
