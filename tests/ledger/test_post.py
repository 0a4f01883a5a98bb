"""What one posting does, and what it refuses."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from tests.acting import refused
from tests.ledger.bookkeeping import POST, Ledger, Line, lines, move, tamper

MOST = 10**15
MOST_HELD = 92 * 10**17


@pytest.fixture
def accounts(ledger: Ledger) -> tuple[int, int, int, int]:
    """ada and bob may not owe, the provider may, fees keep no balance. ada holds 1000."""
    ada, bob = ledger.open("ada"), ledger.open("bob")
    provider, fees = ledger.open("provider", owes=True), ledger.open("fees", busy=True)
    ledger.post("deposit", *move(1000, provider, ada))
    return ada, bob, provider, fees


def test_a_transfer_moves_money_and_is_returned(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, provider, fees = accounts
    transfer = ledger.post("sale:1", (ada, -300), (bob, 270), (fees, 30), description="A sale", order=17)
    assert (transfer["reference"], transfer["description"], transfer["metadata"], transfer["reverses"]) == (
        "sale:1", "A sale", {"order": 17}, None,
    )  # fmt: skip
    assert [ledger.balance(account) for account in accounts] == [700, 270, -1000, 30]
    assert ledger.statement(ada) == [("deposit", 1000, 1000), ("sale:1", -300, 700)]
    assert ledger.statement(provider) == [("deposit", -1000, -1000)]
    ledger.assert_sound()


def test_currencies_are_exchanged_in_one_transfer(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    euros, exchange = ledger.open("ada", "EUR"), ledger.open("exchange", owes=True)
    exchange_euros = ledger.open("exchange", "EUR", owes=True)
    ledger.post(
        "exchange", (accounts[0], -100), (exchange, 100), (exchange_euros, -93, "EUR"), (euros, 93, "EUR")
    )
    assert (ledger.balance(accounts[0]), ledger.balance(euros)) == (900, 93)
    with refused("validation_failed", field="lines", currency="EUR", sum=-93):
        ledger.post("mixed", (accounts[0], -93), (exchange, 186), (exchange_euros, -93, "EUR"))
    ledger.assert_sound()


def test_the_same_posting_again_is_the_first_one(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, _, fees = accounts
    given: tuple[Line, ...] = ((ada, -300), (bob, 270), (fees, 30))
    first = ledger.post("sale:1", *given, order=17)
    assert ledger.post("sale:1", *given, order=17) == first
    assert ledger.post("sale:1", *reversed(given), order=17) == first, "lines have no order"
    ledger.post("all", *move(700, ada, bob))
    assert ledger.post("sale:1", *given, order=17) == first, "also where it would be refused by now"
    assert [ledger.balance(account) for account in accounts] == [0, 970, -1000, 30]


def test_another_posting_under_the_same_reference_is_a_conflict(
    ledger: Ledger, accounts: tuple[int, ...]
) -> None:
    ada, bob, provider, _ = accounts
    first = ledger.post("sale:1", *move(300, ada, bob), description="A sale", order=17)
    others: list[tuple[tuple[Line, Line], str | None, int]] = [
        (move(301, ada, bob), "A sale", 17),
        (move(300, bob, ada), "A sale", 17),
        (move(300, ada, provider), "A sale", 17),
        (move(300, ada, bob), None, 17),
        (move(300, ada, bob), "A sale", 18),
    ]
    for given, description, order in others:
        with refused("conflict", reference="sale:1", transfer=first["id"]):
            ledger.post("sale:1", *given, description=description, order=order)
    assert ledger.count() == 2
    ledger.assert_sound()


def test_what_was_refused_may_be_posted_later(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, provider, _ = accounts
    with refused("invalid_state", account=ada, balance=1000, needed=1001):
        ledger.post("big", *move(1001, ada, bob))
    ledger.post("deposit:2", *move(1, provider, ada))
    ledger.post("big", *move(1001, ada, bob))
    assert [ledger.balance(account) for account in accounts] == [0, 1001, -1001, 0]


NONSENSE: list[tuple[tuple[Line, ...], str]] = [
    ((), "lines"),
    (((1, 0),), "lines"),
    (((1, -5), (2, 4)), "lines"),
    (((1, -5), (1, 5)), "lines"),
    (((None, -5), (2, 5)), "lines"),
    (((1, None), (2, 5)), "amount"),
    (((1, 0), (2, 0)), "amount"),
    (((1, -MOST - 1), (2, MOST + 1)), "amount"),
    (((1, -(2**63)), (2, 2**63 - 1)), "amount"),
    (((1, -5, None), (2, 5)), "currency"),
    (((1, -5, "EUR"), (2, 5, "EUR")), "currency"),
    (((1, -5, "usd"), (2, 5, "usd")), "currency"),
    (tuple((account, 1 if account % 2 else -1) for account in range(1, 1003)), "lines"),
]


def test_nonsense_is_refused_as_a_whole(
    ledger: Ledger, accounts: tuple[int, ...], subtests: pytest.Subtests
) -> None:
    for given, field in NONSENSE:
        with subtests.test(f"{field}: {given[:3]}"), refused("validation_failed", field=field):
            ledger.post("nonsense", *given)
    assert ledger.count() == 1
    ledger.assert_sound()


OTHER_NONSENSE: list[tuple[str, str | None]] = [
    *(("reference", text) for text in (None, "", "two words", "na\u00efve", "a\nb", "x" * 201)),
    *(("description", text) for text in ("", "a\nb", "x" * 201)),
    *(("metadata", text) for text in (None, "[]", f'{{"a": "{"x" * 9000}"}}')),
    ("lines", None),
]


def test_reference_description_and_metadata_are_checked_too(
    ledger: Ledger, accounts: tuple[int, ...], subtests: pytest.Subtests
) -> None:
    good = {
        "reference": "r",
        "lines": lines(*move(5, accounts[0], accounts[1])),
        "description": "fine",
        "metadata": "{}",
    }
    for argument, value in OTHER_NONSENSE:
        given = good | {argument: value}
        with subtests.test(f"{argument}: {value!r:.20}"), refused("validation_failed", field=argument):
            ledger.rows(POST, *given.values())
    ledger.rows(POST, *good.values())


def test_a_description_may_be_in_any_language(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, _, _ = accounts
    text = "Überweisung für Ada — 100 %"
    assert ledger.post("r", *move(5, ada, bob), description=text)["description"] == text


def test_an_unknown_account_is_named(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    with refused("not_found", account=99):
        ledger.post("ghost", *move(5, accounts[0], 99))
    ledger.assert_sound()


def test_the_largest_amounts_are_exact(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    for number in range(3):
        ledger.post(f"gift:{number}", *move(MOST - number, bank, ada))
    assert ledger.balance(ada) == -ledger.balance(bank) == 3 * MOST - 3
    ledger.assert_sound()


@pytest.mark.parametrize("busy", [False, True])
def test_a_balance_does_not_overflow(ledger: Ledger, busy: bool) -> None:
    rich, bank = ledger.open("rich", busy=busy), ledger.open("bank", owes=True)
    full: list[LiteralString] = [
        "update ledger.totals set amount = 9199999999999999991 where account_id in (1, -1)",
        "update ledger.totals set amount = -9199999999999999991 where account_id = 2",
    ]
    with psycopg.connect(ledger.world.superuser_url) as superuser:
        tamper(superuser, full)
    with refused("invalid_state", account=rich, balance=MOST_HELD - 9, amount=10):
        ledger.post("one-too-many", *move(10, bank, rich))
    poor = ledger.open("poor")
    with refused("invalid_state", account=bank, balance=9 - MOST_HELD, amount=-10):
        ledger.post("one-too-many", *move(10, bank, poor))
    if not busy:
        ledger.post("just-so", (bank, -9), (rich, 9))
        assert ledger.balance(rich) == -ledger.balance(bank) == MOST_HELD
        ledger.post("back", *move(10**15, rich, bank))
        assert ledger.balance(rich) == MOST_HELD - 10**15


def test_a_reversal_takes_back_everything_once(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, _, fees = accounts
    sale = ledger.post("sale:1", (ada, -300), (bob, 270), (fees, 30))
    reversal = ledger.reverse("oops:1", "sale:1")
    assert reversal["reverses"] == sale["id"]
    assert [ledger.balance(account) for account in accounts] == [1000, 0, -1000, 0]
    assert ledger.reverse("oops:1", "sale:1") == reversal
    with refused("invalid_state", transfer=sale["id"], reversed_by="oops:1"):
        ledger.reverse("oops:2", "sale:1")
    with refused("conflict", reference="deposit"):
        ledger.reverse("deposit", "sale:1")
    with refused("not_found", reference="nothing"):
        ledger.reverse("oops:3", "nothing")
    with refused("validation_failed", field="of_reference"):
        ledger.reverse("oops:3", None)
    ledger.assert_sound()


def test_a_reversal_overdraws_nobody(ledger: Ledger, accounts: tuple[int, ...]) -> None:
    ada, bob, provider, _ = accounts
    ledger.post("sale:1", *move(300, ada, bob))
    ledger.post("payout", *move(200, bob, provider))
    with refused("invalid_state", account=bob, balance=100, needed=300):
        ledger.reverse("oops", "sale:1")
    assert ledger.count() == 3
