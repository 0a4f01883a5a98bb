"""Clients and the edge's login can do nothing here: the domains above post for them."""

from urllib.parse import urlsplit

import psycopg
import pytest

from scripts.stack.stack import Stack
from tests.acting import Caller, refused
from tests.ledger.bookkeeping import Ledger, move

FORBIDDEN = (
    "select * from ledger.accounts",
    "select * from ledger.balances",
    "select * from ledger.statement",
    "select * from ledger.check()",
    "select ledger.open_account('user', 'me', 'wallet', 'USD')",
    "select ledger.post('r', null)",
    "select ledger.reverse('r', 'deposit')",
    "select ledger.roll_up()",
    "select ledger.lock('{1}')",
    "insert into ledger.transfers (reference, lines) values ('r', '{}')",
    "insert into ledger.entries default values",
    "update ledger.totals set amount = 5",
    "delete from ledger.deltas",
)


def test_no_client_enters(ledger: Ledger, local_stack: Stack, subtests: pytest.Subtests) -> None:
    ledger.post("deposit", *move(5, ledger.open("bank", busy=True), ledger.open("ada")))
    callers: list[Caller] = [ledger.world.anon, ledger.world.person("ada"), ledger.world.service]
    dbname = urlsplit(ledger.world.database_url).path.removeprefix("/")
    with psycopg.connect(local_stack.url("edge_service", dbname), autocommit=True) as edge:
        for statement in FORBIDDEN:
            for caller in callers:
                with subtests.test(f"{caller.role}: {statement}"), refused("42501"):
                    caller.rows(statement)
            with subtests.test(f"edge_service: {statement}"), refused("42501"):
                edge.execute(statement)
