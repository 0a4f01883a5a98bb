"""What the ledger costs: posting a transfer against plain inserts of its rows.

`--rows` is how many transfers there are before. `--peer` compares with another ledger: a SQL file
that defines `peer.fill(accounts integer, transfers integer)` and `peer.post(integer, integer)`, which
moves 1 from one account to another; accounts are numbered from 1.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server


@dataclass(frozen=True)
class Client:
    """A connection with accounts of its own, so that waiting is for shared accounts only."""

    connection: psycopg.Connection[Any]
    accounts: Sequence[int]

    def run(self, statement: str, *parameters: object) -> None:
        self.connection.execute(statement.encode(), parameters, prepare=True)

    def pair(self) -> tuple[int, int]:
        first, second = random.sample(self.accounts, 2)
        return first, second


Step = Callable[[Client], int]
"""One transaction; returns how many transfers it was."""

ACCOUNTS = 1000
"""Of each client."""
BATCH = 100

SETUP = """
    create table bench_transfers (
        id bigint generated always as identity primary key, reference text not null unique,
        posted_at timestamptz not null default now()
    );
    create table bench_entries (
        transfer_id bigint not null, account_id bigint not null, amount bigint not null,
        currency text not null, primary key (transfer_id, account_id)
    );
    select
        ledger.open_account('platform', 'bench', 'busy', 'USD', true, keeps_balance => false),
        ledger.open_account('platform', 'bench', 'kept', 'USD', true);
    select ledger.open_account('user', g::text, 'wallet', 'USD', true)
    from generate_series(3, {accounts}) as g;
    insert into ledger.transfers (reference, lines)
    select 'fill:' || g, array[(n, -1, 'USD'), (n + 1, 1, 'USD')]::ledger.line[]
    from generate_series(1, {transfers}) as g
    cross join lateral (select g % ({accounts} - 1) + 1) as a (n);
    select ledger.roll_up();
"""
PLAIN = """
    with t as (insert into bench_transfers (reference) values (%s) returning id)
    insert into bench_entries (transfer_id, account_id, amount, currency)
    select t.id, v.account_id, v.amount, 'USD'
    from t cross join (values (%s::bigint, -1), (%s::bigint, 1)) as v (account_id, amount)
"""
POST = "select ledger.post(%s, array[(%s, -1, 'USD'), (%s, 1, 'USD')]::ledger.line[])"
BUSY, KEPT = 1, 2


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each transaction committed."""
    accounts = KEPT + options.clients * ACCOUNTS
    with server.connect() as setup:
        setup.execute(SETUP.format(accounts=accounts, transfers=options.rows).encode())
        if options.peer:
            setup.execute(options.peer.read_bytes())
            setup.execute("select peer.fill(%s, %s)", [accounts, options.rows])
        setup.execute("vacuum analyze")
    with ExitStack() as stack:
        clients = [
            Client(
                stack.enter_context(server.connect()),
                range(KEPT + 1 + ACCOUNTS * number, KEPT + 1 + ACCOUNTS * (number + 1)),
            )
            for number in range(options.clients)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(len(clients)))

        def case(name: str, steps: Mapping[str, Step]) -> Case:
            work = {
                variant: partial(_together, threads, clients, options.operations, step)
                for variant, step in steps.items()
                if options.peer or variant != "peer"
            }
            return Case(f"{name}, {options.clients} clients", "transfers/s", work)

        yield [
            case("no account shared", {"plain insert": _plain, "post": _post, "peer": _peer}),
            case(
                "one account shared by all",
                {
                    "plain insert": _plain,
                    "post, no balance kept": partial(_post, to=BUSY),
                    "post, balance kept": partial(_post, to=KEPT),
                    "peer": partial(_peer, to=BUSY),
                },
            ),
            case(f"{BATCH} a commit", {"plain insert": _plain_batch, "post": _post_batch}),
        ]


def _together(threads: ThreadPoolExecutor, clients: list[Client], transfers: int, step: Step) -> int:
    def work(client: Client) -> int:
        done = 0
        while done < transfers:
            done += step(client)
        return done

    return sum(threads.map(work, clients))


def _reference() -> str:
    return f"bench:{uuid.uuid4()}"


def _plain(client: Client) -> int:
    client.run(PLAIN, _reference(), *client.pair())
    return 1


def _post(client: Client, to: int | None = None) -> int:
    first, second = client.pair()
    client.run(POST, _reference(), first, to or second)
    return 1


def _peer(client: Client, to: int | None = None) -> int:
    first, second = client.pair()
    client.run("select peer.post(%s, %s)", first, to or second)
    return 1


def _plain_batch(client: Client) -> int:
    return _batch(client, PLAIN)


def _post_batch(client: Client) -> int:
    return _batch(client, POST)


def _batch(client: Client, statement: str) -> int:
    with client.connection.pipeline(), client.connection.transaction():
        for _ in range(BATCH):
            client.run(statement, _reference(), *client.pair())
    return BATCH
