"""What the ledger costs: posting a transfer, with every transaction committed to disk.

Compared with plain inserts of its rows or, with `--peer`, with another ledger: a SQL file that defines
`peer.fill(accounts integer, transfers integer)` and `peer.post(integer, integer)`, which moves 1 from one
account to another; accounts are numbered from 1. `--rows` is how many transfers there are before; one case
has 1,000,000 entries, which takes a minute or two to prepare. Each client is a loop in the server that
commits, because a driver costs as much as a posting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg

from scripts.bench.measure import Case, Work
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]

ACCOUNTS = 1000
"""Of each client, so that waiting is for shared accounts only."""
BATCH = 100
LONG = 500_000
"""Transfers of two entries each."""

# The busy account is the first that is opened, the kept one the second.
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
    cross join lateral (select g % ({accounts} - 2) + 2) as a (n);
    with t as (
        insert into bench_transfers (reference) select t.reference from ledger.transfers as t returning id
    )
    insert into bench_entries (transfer_id, account_id, amount, currency)
    select t.id, a.n + v.side, 2 * v.side - 1, 'USD'
    from t
    cross join (values (0), (1)) as v (side)
    cross join lateral (select t.id % ({accounts} - 2) + 2) as a (n);
"""
LOOP = """
    do $$
    declare
        v_first integer;
        v_second integer;
    begin
        for v_number in 1..{transfers} loop
            v_first := {first} + trunc(random() * {accounts});
            v_second := trunc(random() * ({accounts} - 1)); -- how far from it, all around
            v_second := {first} + (v_first - {first} + 1 + v_second) % {accounts};
            {statement};
            if v_number % {batch} = 0 then
                commit;
            end if;
        end loop;
    end
    $$
"""
PLAIN = """
    with t as (insert into bench_transfers (reference) values ('bench:' || gen_random_uuid()) returning id)
    insert into bench_entries (transfer_id, account_id, amount, currency)
    select t.id, v.account_id, v.amount, 'USD'
    from t cross join (values (v_first, -1), (v_second, 1)) as v (account_id, amount)
"""
POST = """
    perform ledger.post(
        'bench:' || gen_random_uuid(), array[(v_first, -1, 'USD'), ({to}, 1, 'USD')]::ledger.line[]
    )
"""
PEER = "perform peer.post(v_first, {to})"

PLAINLY, POSTED, PEERS = "plain insert", "post", "peer"
OWN = {PEERS: PEER.format(to="v_second"), PLAINLY: PLAIN, POSTED: POST.format(to="v_second")}
SHARED = {
    PEERS: PEER.format(to=1),
    PLAINLY: PLAIN,
    "post, no balance kept": POST.format(to=-1),
    "post, balance kept": POST.format(to=2),
}


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """The first variant of each is what the others are compared with: the peer, if there is one."""
    long = server.copy("bench_long")
    _fill(long, options, LONG)
    _fill(server, options, options.rows)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))

        def case(name: str, statements: Mapping[str, str], at: Server = server, batch: int = 1) -> Case:
            clients = [stack.enter_context(at.connect()) for _ in range(options.clients)]
            work: dict[str, Work] = {
                variant: partial(_together, threads, clients, options.operations, statement, batch)
                for variant, statement in statements.items()
                if options.peer or variant != PEERS
            }
            return Case(f"{name}, {options.clients} clients", "transfers/s", work)

        yield [
            case("no account shared", OWN),
            case("one account shared by all", SHARED),
            case(f"{BATCH} a commit", OWN, batch=BATCH),
            case(f"{2 * LONG:,} entries before", OWN, long),
        ]


def _fill(server: Server, options: Options, transfers: int) -> None:
    accounts = 2 + options.clients * ACCOUNTS
    with server.connect() as setup:
        setup.execute(SETUP.format(accounts=accounts, transfers=transfers).encode())
        if options.peer:
            setup.execute(options.peer.read_bytes())
            setup.execute("select peer.fill(%s, %s)", [accounts, transfers])
        setup.execute("vacuum analyze")


def _together(
    threads: ThreadPoolExecutor, clients: list[Connection], transfers: int, statement: str, batch: int
) -> int:
    rounded = max(transfers // batch, 1) * batch

    def work(number: int) -> int:
        loop = LOOP.format(
            transfers=rounded,
            first=3 + ACCOUNTS * number,
            accounts=ACCOUNTS,
            statement=statement,
            batch=batch,
        )
        clients[number].execute(loop.encode())
        return rounded

    return sum(threads.map(work, range(len(clients))))
