"""Whatever a superuser corrupts with every guard off, ledger.check() finds and names."""

from __future__ import annotations

import re
from typing import LiteralString

import psycopg
import pytest

from tests.acting import Row, World
from tests.ledger.bookkeeping import Ledger, move, tamper

LINES = "entries_are_the_lines_of_the_transfer"
ZERO = "transfer_adds_up_to_zero"
OPPOSITE = "reversal_is_the_opposite"
ACCOUNT = "entry_has_an_account"
CURRENCY = "entry_has_the_accounts_currency"
TOTAL = "account_has_a_total_of_its_rules"
BALANCE = "balance_is_the_sum_of_entries"
BELOW = "balance_is_not_below_zero"
STATEMENT = "entry_continues_the_statement"
DELTA = "delta_is_an_entry_of_a_busy_account"
GUARD = "guard_is_on"
CONSTRAINT = "constraint_is_kept"

Corruption = tuple[tuple[LiteralString, ...], set[str]]

CORRUPTIONS: list[Corruption] = [
    (("update ledger.entries set amount = 999 where (transfer_id, line) = (1, 2)",),
     {LINES, ZERO, BALANCE, STATEMENT}),
    (("update ledger.entries set amount = 2 * amount where transfer_id = 2",), {LINES, BALANCE, STATEMENT}),
    (("delete from ledger.entries where (transfer_id, line) = (2, 2)",),
     {LINES, ZERO, BALANCE, STATEMENT, BELOW}),
    (("delete from ledger.entries where transfer_id = 2",), {LINES, BALANCE, STATEMENT, BELOW}),
    (("delete from ledger.entries where transfer_id = 5", "delete from ledger.transfers where id = 5"),
     {BALANCE, DELTA}),
    (("delete from ledger.transfers where id = 5",), {LINES}),
    (("insert into ledger.entries values (2, 3, 1, 5, -5, 695, 'USD'), (2, 4, 2, 5, 5, 304, 'USD')",),
     {LINES, BALANCE}),
    (("insert into ledger.entries values (99, 1, 1, 5, 7, 707, 'USD')",), {LINES, ZERO, BALANCE}),
    (("insert into ledger.transfers (reference, lines)"
      " values ('x', '{\"(1,-5,USD)\",\"(2,5,USD)\"}')",), {LINES}),
    (("update ledger.transfers set lines = '{\"(1,-5,USD)\",\"(2,5,USD)\"}' where id = 2",),
     {LINES}),
    (("update ledger.transfers set lines = '{\"(1,-5,USD)\",\"(2,5,USD)\"}' where id = 3",),
     {LINES, OPPOSITE}),
    (("update ledger.transfers set reverses = 5 where id = 4",), {OPPOSITE}),
    (("update ledger.entries set account_id = 99 where (transfer_id, line) = (2, 2)",),
     {LINES, ACCOUNT, BALANCE, STATEMENT, BELOW}),
    (("update ledger.entries set currency = 'EUR' where transfer_id = 2",), {LINES, CURRENCY}),
    (("update ledger.accounts set currency = 'EUR' where id = 2",), {CURRENCY, TOTAL}),
    (("delete from ledger.accounts where id = 1",), {ACCOUNT, TOTAL}),
    (("delete from ledger.totals where account_id = 1",), {TOTAL}),
    (("insert into ledger.totals values (99, 'USD', true, true)",), {TOTAL}),
    (("update ledger.totals set amount = amount + 1 where account_id = 1",), {BALANCE}),
    (("update ledger.totals set amount = amount + 1 where account_id = -3",), {BALANCE}),
    (("update ledger.totals set entries = entries + 1 where account_id = 1",), {BALANCE}),
    (("update ledger.accounts set may_go_negative = false where id = 4",), {BELOW, TOTAL}),
    (("update ledger.entries set balance = balance + 1 where (transfer_id, line) = (2, 1)",), {STATEMENT}),
    (("update ledger.entries set place = 7 where (transfer_id, line) = (2, 1)",), {STATEMENT}),
    (("update ledger.entries set place = 77 where (transfer_id, account_id) = (1, -3)",), {STATEMENT}),
    (("delete from ledger.deltas",), {BALANCE}),
    (("update ledger.deltas set amount = amount + 1",), {BALANCE, DELTA}),
    (("insert into ledger.deltas values (1, 2, -300)",), {BALANCE, DELTA}),
    (("update ledger.deltas set transfer_id = 1",), {DELTA}),
]  # fmt: skip

GUARDS: list[LiteralString] = [
    "alter table ledger.entries disable trigger _100_book",
    "alter table ledger.entries disable trigger _100_refuse_rewriting",
    "alter table ledger.entries enable trigger _100_refuse_rewriting",
    "alter table ledger.transfers disable trigger _200_book",
    "alter table ledger.totals disable trigger user",
    "drop trigger _200_add_to_totals on ledger.deltas",
    "alter table ledger.accounts enable replica trigger _200_open_total",
]

CONSTRAINTS: list[LiteralString] = [
    "alter table ledger.transfers drop constraint described_and_adding_up_to_zero",
    "alter table ledger.totals drop constraint no_overdraft",
    "alter table ledger.totals drop constraint no_overdraft;"
    " alter table ledger.totals add constraint no_overdraft check (may_go_negative or amount >= 0) not valid",
    "alter table ledger.totals drop constraint no_overdraft;"
    " alter table ledger.totals add constraint no_overdraft unique (account_id, amount)",
    "alter table ledger.totals drop constraint rules_are_those_of_the_account",
    "alter table ledger.totals disable trigger all; alter table ledger.totals enable trigger user;"
    " alter table ledger.totals enable always trigger _110_refuse_deletion",
    "alter table ledger.transfers drop constraint one_transfer_per_reference",
    "alter table ledger.entries drop constraint entries_pkey",
    "update pg_index set indisvalid = false where indexrelid = 'ledger.entries_pkey'::regclass",
    "drop index ledger.reversed_once",
    "drop index ledger.reversed_once; create index reversed_once on ledger.transfers (reverses)",
    "update pg_index set indisvalid = false where indexrelid = 'ledger.one_entry_at_a_place'::regclass",
]


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    """1 ada, 2 bob, -3 fees (busy), 4 bank (may owe); transfer 4 takes 3 back; only 5 is not rolled up."""
    assert [
        ledger.open("ada"),
        ledger.open("bob"),
        ledger.open("fees", busy=True),
        ledger.open("bank", owes=True),
    ] == [1, 2, -3, 4]
    ledger.post("deposit", (4, -1010), (1, 1000), (-3, 10))
    ledger.post("gift", *move(300, 1, 2))
    ledger.post("sale", (1, -100), (2, 90), (-3, 10))
    ledger.reverse("oops", "sale")
    ledger.ask("select ledger.roll_up()")
    ledger.post("charge", *move(1, 2, -3))
    assert [row["id"] for row in ledger.rows("select id from ledger.transfers order by id")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    ledger.assert_sound()
    return ledger


def test_a_corruption_is_found(books: Ledger, subtests: pytest.Subtests) -> None:
    for statements, rules in CORRUPTIONS:
        with subtests.test(statements[0]), psycopg.connect(books.world.superuser_url) as superuser:
            tamper(superuser, statements)
            assert {rule for (rule,) in superuser.execute("select rule from ledger.check()")} == rules
            superuser.rollback()
    books.assert_sound()


def test_what_is_broken_is_named(books: Ledger) -> None:
    with psycopg.connect(books.world.superuser_url) as superuser:
        tamper(superuser, ["update ledger.totals set amount = amount + 1 where account_id = -3"])
    assert books.rows("select * from ledger.check()") == [{
        "rule": BALANCE, "account_id": -3, "transfer_id": None,
        "detail": {"balance": 12, "sum": 11, "counted": 4, "entries": 4},
    }]  # fmt: skip


@pytest.mark.parametrize(("rule", "statements"), [(GUARD, GUARDS), (CONSTRAINT, CONSTRAINTS)])
def test_what_is_switched_off_is_named(
    books: Ledger, rule: str, statements: list[LiteralString], subtests: pytest.Subtests
) -> None:
    for statement in statements:
        with subtests.test(statement), psycopg.connect(books.world.superuser_url) as superuser:
            superuser.execute(statement)
            assert {found for (found,) in superuser.execute("select rule from ledger.check()")} == {rule}
            superuser.rollback()
    books.assert_sound()


def test_every_trigger_is_watched(world: World) -> None:
    triggers = world.as_dba(
        "select t.tgrelid::regclass::text as table, t.tgname::text as name, t.tgenabled::text as enabled"
        " from pg_trigger as t join pg_class as c on c.oid = t.tgrelid"
        " where c.relnamespace = 'ledger'::regnamespace and not t.tgisinternal and t.tgname !~ '_900_audit'"
    )
    (source,) = world.as_dba("select prosrc as text from pg_proc where proname = 'check_guards'")
    watched = set(re.findall(r"\('(ledger\.\w+)', '(\w+)', '(\w)'\)", source["text"]))
    assert watched == {(row["table"], row["name"], row["enabled"]) for row in triggers}


def test_every_constraint_and_unique_index_is_watched(world: World) -> None:
    there = world.as_dba(
        "select c.conrelid::regclass::text as table, c.conname::text as name, c.contype::text as kind"
        " from pg_constraint as c where c.connamespace = 'ledger'::regnamespace and c.contype <> 'n'"
        " union all"
        " select i.indrelid::regclass::text, i.indexrelid::regclass::text, 'i'"
        " from pg_index as i join pg_class as t on t.oid = i.indrelid"
        " where t.relnamespace = 'ledger'::regnamespace and i.indisunique"
        " and not exists (select from pg_constraint as c where c.conindid = i.indexrelid)"
    )
    (source,) = world.as_dba("select prosrc as text from pg_proc where proname = 'check_constraints'")
    watched = set(re.findall(r"\('(ledger\.\w+)', '(\w+)', '(\w)'\)", source["text"]))
    indexes = set(re.findall(r"\('(ledger\.\w+)', '(ledger\.\w+)'\)", source["text"]))
    watched |= {(table, index, "i") for table, index in indexes}
    assert watched == {(row["table"], row["name"], row["kind"]) for row in there}


def test_every_rule_is_tried_above(world: World) -> None:
    sources = world.as_dba(
        "select prosrc as text from pg_proc where proname ~ '^check_(transfers|accounts|guards|constraints)$'"
    )
    rules = set(re.findall(r"select '(\w+)'", " ".join(row["text"] for row in sources)))
    assert rules == {GUARD, CONSTRAINT}.union(*(rules for _, rules in CORRUPTIONS))


def _night(books: Ledger, ago: str) -> tuple[list[str], Row]:
    """The outcome of each attempt, and the run."""
    fire: LiteralString = (
        "select jobs.fire_schedule('check_ledger', date_trunc('minute', now()) - %s::interval)"
    )
    assert books.ask(fire, ago) == "fired"
    outcomes = []
    while jobs := books.rows("select id, lease from edge.claim_jobs('a test', 1)"):
        outcomes.append(books.ask("select edge.run_job(%s, %s)", jobs[0]["id"], jobs[0]["lease"]))
        books.rows("update jobs.queue set run_at = now(), turn = now() where state = 'scheduled'")
    return outcomes, books.rows(
        "select status, counts, error from public.job_runs order by slot desc limit 1"
    )[0]


def test_the_books_are_checked_every_night(books: Ledger) -> None:
    """What is found leaves a dead job and a failed run."""
    assert _night(books, "2 days") == (
        ["done"], {"status": "done", "counts": {"transfers": 5, "entries": 13}, "error": None},
    )  # fmt: skip
    with psycopg.connect(books.world.superuser_url) as superuser:
        tamper(superuser, ["update ledger.totals set amount = amount + 1 where account_id = 1"])
    outcomes, run = _night(books, "1 day")
    assert (outcomes, run["status"]) == (["retry", "dead"], "failed")
    assert f'ledger.check() found 1: ["{BALANCE}"]' in run["error"]
    assert books.ask("select outcome from jobs.finished where kind = 'ledger.check'") == "dead"
