"""An account holds one currency of one owner, under rules that stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import pytest

from tests.acting import refused
from tests.ledger.bookkeeping import Ledger, move

OPEN: LiteralString = "select ledger.open_account(%s, %s, %s, %s, %s, %s)"
GOOD = ("user", "7b0c9b34-5a57-4a8e-b8a0-1f6a5f3f0001", "wallet", "USD", False, True)


def test_opening_again_finds_the_same_account(ledger: Ledger) -> None:
    first = ledger.ask(OPEN, *GOOD)
    assert ledger.ask(OPEN, *GOOD) == first
    others = [("organization", *GOOD[1:]), (*GOOD[:3], "EUR", *GOOD[4:]), (*GOOD[:2], "escrow", *GOOD[3:])]
    assert len({first, *(ledger.ask(OPEN, *other) for other in others)}) == 4


def test_opening_under_other_rules_is_a_conflict(ledger: Ledger) -> None:
    first = ledger.ask(OPEN, *GOOD)
    for rules in ((True, True), (True, False)):
        with refused("conflict", account=first):
            ledger.ask(OPEN, *GOOD[:4], *rules)


def test_many_open_the_same_account_at_once(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: ledger.ask(OPEN, *GOOD), range(16)))) == 1


NONSENSE: list[tuple[int, object, str]] = [
    (0, "User", "owner_kind"),
    (0, None, "owner_kind"),
    (1, "", "owner_id"),
    (1, "a\nb", "owner_id"),
    (1, None, "owner_id"),
    (2, "My wallet", "name"),
    (2, None, "name"),
    (3, "usd", "currency"),
    (3, "EURO", "currency"),
    (3, None, "currency"),
    (4, None, "may_go_negative"),
    (5, None, "keeps_balance"),
    (5, False, "may_go_negative"),
]


def test_nonsense_is_refused(ledger: Ledger, subtests: pytest.Subtests) -> None:
    for place, value, field in NONSENSE:
        arguments: list[object] = list(GOOD)
        arguments[place] = value
        with subtests.test(f"{field}: {value!r}"), refused("validation_failed", field=field):
            ledger.ask(OPEN, *arguments)


CHANGES: tuple[LiteralString, ...] = (
    "update ledger.accounts set owner_id = 'someone else'",
    "update ledger.accounts set name = 'escrow'",
    "update ledger.accounts set currency = 'EUR'",
    "update ledger.accounts set keeps_balance = false, may_go_negative = true",
    "delete from ledger.accounts",
    "truncate ledger.accounts cascade",
)


def test_an_account_stays_what_it_is(ledger: Ledger, subtests: pytest.Subtests) -> None:
    ledger.open("ada")
    for change in CHANGES:
        with subtests.test(change), refused("forbidden"):
            ledger.rows(change)


def test_whether_it_may_owe_can_change_but_not_under_water(ledger: Ledger) -> None:
    ada, bank = ledger.open("ada"), ledger.open("bank", owes=True)
    ledger.rows("update ledger.accounts set may_go_negative = true where id = %s", ada)
    ledger.post("spend", *move(5, ada, bank))
    with refused("23514"):
        ledger.rows("update ledger.accounts set may_go_negative = false where id = %s", ada)
    ledger.post("earn", *move(5, bank, ada))
    ledger.rows("update ledger.accounts set may_go_negative = false where id = %s", ada)
    with refused("invalid_state", account=ada, balance=0, needed=1):
        ledger.post("more", *move(1, ada, bank))
    ledger.assert_sound()


def test_accounts_are_audited(ledger: Ledger) -> None:
    ada = ledger.open("ada")
    (row,) = ledger.rows("select row_key, action from audit.log where table_name = 'ledger.accounts'")
    assert row == {"row_key": str(ada), "action": "insert"}
