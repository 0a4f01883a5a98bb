"""What the owner of the tables, and a superuser without triggers, cannot do by hand."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from tests.acting import refused
from tests.ledger.bookkeeping import Ledger, move


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    """Accounts 1 (holds 700), 2 (300, may owe), -3 (busy, not rolled up: -1000), transfers 1 and 2."""
    assert [ledger.open("ada"), ledger.open("bob", owes=True), ledger.open("fees", busy=True)] == [1, 2, -3]
    ledger.post("deposit", *move(1000, -3, 1))
    ledger.post("gift", *move(300, 1, 2))
    return ledger


REWRITING: tuple[LiteralString, ...] = (
    "update ledger.transfers set description = 'x'",
    "update ledger.entries set amount = -amount",
    "delete from ledger.transfers",
    "delete from ledger.entries where transfer_id = 2",
    "truncate ledger.entries",
    "truncate ledger.transfers, ledger.entries",
    "delete from ledger.totals",
    "truncate ledger.totals",
    "truncate ledger.deltas",
    "update ledger.deltas set amount = 0",
    "delete from ledger.accounts",
)


def test_the_owner_rewrites_nothing(books: Ledger, subtests: pytest.Subtests) -> None:
    for statement in REWRITING:
        with subtests.test(statement), refused("forbidden"):
            books.rows(statement)


def test_not_even_where_ordinary_triggers_are_off(books: Ledger, subtests: pytest.Subtests) -> None:
    with psycopg.connect(books.world.superuser_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in REWRITING:
            with subtests.test(statement), refused("forbidden"):
                connection.execute(statement)


BY_HAND: tuple[tuple[LiteralString, str], ...] = (
    ("update ledger.totals set amount = amount + 1", "forbidden"),
    ("insert into ledger.totals values (99, 'USD', true, true, 5, 1)", "forbidden"),
    (
        "insert into ledger.totals select * from ledger.totals"
        " on conflict (account_id) do update set amount = 5",
        "forbidden",
    ),
    ("insert into ledger.deltas values (-3, 2, 100)", "forbidden"),
    # One-sided, unbalanced, balanced: nothing gets into a transfer later, nor in without one.
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (2, 3, 2, 5, 'USD')", "forbidden"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (2, 3, 1, -5, 'USD'), (2, 4, 2, 5, 'USD')", "forbidden"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (9, 1, 1, -5, 'USD'), (9, 2, 2, 5, 'USD')", "forbidden"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (2, 1, 1, -200, 'USD')", "forbidden"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " select transfer_id, line, account_id, amount, currency from ledger.entries", "23505"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (2, 1, 1, -300, 'USD') on conflict do nothing", "55000"),
    ("insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
     " values (2, 2, 2, 300, 'USD') on conflict (account_id, place)"
     " where balance is not null do nothing", "23505"),
    # Lines that do not add up, in all or in one currency; reversals that are none.
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,-5,USD)\",\"(2,6,USD)\"}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,-5,USD)\",\"(2,5,EUR)\"}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,5,USD)\"}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines) values ('x', '{}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(2,5,USD)\",\"(1,-5,USD)\"}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines, reverses)"
     " values ('x', '{\"(1,5,USD)\",\"(2,-5,USD)\"}', 2)", "forbidden"),
    # What ledger.post refuses, too.
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,-701,USD)\",\"(2,701,USD)\"}')", "invalid_state"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,-5,EUR)\",\"(2,5,EUR)\"}')", "validation_failed"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('x', '{\"(1,-5,USD)\",\"(9,5,USD)\"}')", "not_found"),
    ("insert into ledger.transfers (reference, lines)"
     " values ('gift', '{\"(1,-5,USD)\",\"(2,5,USD)\"}')", "23505"),
)  # fmt: skip


def test_no_hand_writes_what_is_not_so(books: Ledger, subtests: pytest.Subtests) -> None:
    before = books.rows("select * from ledger.entries order by transfer_id, line")
    for statement, code in BY_HAND:
        with subtests.test(statement), refused(code):
            books.rows(statement)
        assert books.rows("select * from ledger.entries order by transfer_id, line") == before
    books.assert_sound()


def test_deferring_constraints_only_defers_the_refusal(books: Ledger) -> None:
    with refused("23505"), books.transaction("set constraints all deferred") as later:
        later.rows(
            "insert into ledger.entries (transfer_id, line, account_id, amount, currency)"
            " values (2, 2, 2, 300, 'USD')"
        )
    books.assert_sound()


def test_a_trigger_of_the_owners_own_gets_no_further(books: Ledger) -> None:
    books.rows("""
        create function ledger.sneak() returns trigger language plpgsql volatile set search_path = '' as $$
        begin
            insert into ledger.entries (transfer_id, line, account_id, amount, currency)
            values (2, 3, 1, 5, 'USD');
            return null;
        end
        $$;
        create table ledger.bait (a int);
        create trigger _100_sneak after insert on ledger.bait for each row execute function ledger.sneak();
    """)
    with refused("forbidden"):
        books.rows("insert into ledger.bait values (1)")
    books.assert_sound()


def test_lines_that_do_not_add_up_are_refused_without_any_trigger(books: Ledger) -> None:
    with psycopg.connect(books.world.superuser_url) as connection, refused("validation_failed", sum=1):
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "insert into ledger.transfers (reference, lines) values ('x', '{\"(1,-5,USD)\",\"(2,6,USD)\"}')"
        )


def test_a_sound_transfer_by_hand_is_booked_like_any_other(books: Ledger) -> None:
    books.rows(
        "insert into ledger.transfers (reference, lines)"
        " values ('x', '{\"(1,-5,USD)\",\"(2,5,USD)\"}'), ('y', '{\"(-3,5,USD)\",\"(1,-5,USD)\"}')"
    )
    assert [books.balance(account) for account in (1, 2, -3)] == [690, 305, -995]
    books.assert_sound()


def test_deleting_deltas_by_hand_is_a_roll_up(books: Ledger) -> None:
    books.rows("delete from ledger.deltas")
    assert books.balance(-3) == -1000
    books.assert_sound()
