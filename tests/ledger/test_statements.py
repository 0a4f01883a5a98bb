"""Statements show every movement with the balance after it, page by page; roll-ups change none of it."""

from __future__ import annotations

import re

from tests.ledger.bookkeeping import Ledger, move

PAGE = """
    select place, reference, amount, balance from ledger.statement
    where account_id = %s and place < %s order by place desc limit 3
"""


def test_pages_of_kept_and_busy_accounts_join_to_the_whole(ledger: Ledger) -> None:
    ada, fees = ledger.open("ada", owes=True), ledger.open("fees", busy=True)
    expected = []
    for number in range(10):
        ledger.post(f"r:{number}", *move(number + 1, ada, fees))
        expected.append((f"r:{number}", number + 1, sum(range(number + 2))))
        if number == 5:
            ledger.ask("select ledger.roll_up()")
    for account, sign in ((fees, 1), (ada, -1)):
        whole = [(reference, sign * amount, sign * balance) for reference, amount, balance in expected]
        assert ledger.statement(account) == whole
        paged, before = [], 2**62
        while page := ledger.rows(PAGE, account, before):
            paged += [(row["reference"], row["amount"], row["balance"]) for row in page]
            before = page[-1]["place"]
        assert paged == whole[::-1]


def _total(ledger: Ledger, account: int) -> object:
    return ledger.ask("select amount from ledger.totals where account_id = %s", account)


def test_a_roll_up_changes_no_balance_and_happens_once(ledger: Ledger) -> None:
    ada, fees = ledger.open("ada", owes=True), ledger.open("fees", busy=True)
    for number in range(5):
        ledger.post(f"r:{number}", *move(10, ada, fees))
    assert (ledger.balance(fees), _total(ledger, fees)) == (50, 0)
    assert [ledger.ask("select ledger.roll_up()")["entries"] for _ in range(2)] == [5, 0]
    assert (ledger.balance(fees), _total(ledger, fees)) == (50, 50)
    ledger.assert_sound()


def test_rolling_up_comes_by_schedule(ledger: Ledger) -> None:
    ada, fees = ledger.open("ada", owes=True), ledger.open("fees", busy=True)
    ledger.post("r", *move(10, ada, fees))
    assert ledger.ask("select jobs.fire_schedule('roll_up_ledger', date_trunc('minute', now()))") == "fired"
    (job,) = ledger.rows("select id, lease from edge.claim_jobs('a test', 1)")
    ledger.ask("select edge.run_job(%s, %s)", job["id"], job["lease"])
    assert ledger.ask("select status from public.job_runs where schedule = 'roll_up_ledger'") == "done"
    assert _total(ledger, fees) == 10


def test_a_long_pause_is_rolled_up_batch_by_batch(ledger: Ledger) -> None:
    ada, fees = ledger.open("ada", owes=True), ledger.open("fees", busy=True)
    for number in range(5):
        ledger.post(f"r:{number}", *move(10, ada, fees))
    ledger.ask("select jobs.enqueue('ledger.roll_up', '{\"batch\": 2}')")
    totals = []
    while jobs := ledger.rows("select id, lease from edge.claim_jobs('a test', 1)"):
        ledger.ask("select edge.run_job(%s, %s)", jobs[0]["id"], jobs[0]["lease"])
        totals.append(_total(ledger, fees))
    assert totals == [20, 40, 50]
    ledger.assert_sound()


def test_the_newest_page_costs_a_page(ledger: Ledger) -> None:
    """However long the history; this one is short, so the plan of a long one is asked for."""
    accounts = [ledger.open("ada", owes=True), ledger.open("fees", busy=True)]
    ledger.rows(
        "insert into ledger.transfers (reference, lines)"
        " select 'r:' || g, array[(%s, -1, 'USD'), (%s, 1, 'USD')]::ledger.line[]"
        " from generate_series(1, 1000) as g",
        *sorted(accounts),
    )  # fmt: skip
    ledger.rows("analyze ledger.entries, ledger.transfers")
    with ledger.transaction("set enable_sort = off", "set enable_seqscan = off") as reader:
        for account in accounts:
            plan = reader.rows(
                "explain (analyze, timing off) select * from ledger.statement"
                " where account_id = %s order by place desc limit 20",
                account,
            )  # fmt: skip
            text = "\n".join(row["QUERY PLAN"] for row in plan)
            entries = [int(rows) for rows in re.findall(r" on entries .*actual rows=(\d+)", text)]
            assert sorted(entries) == [0, 20], text
