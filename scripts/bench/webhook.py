"""What an event of Stripe costs: recorded and applied, against a plain insert of the same two kilobytes.

`--rows` is how many paid orders there are before. Every order is of a customer of its own, and one person
runs the shop: so each payment stages two mails.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import psycopg

from scripts.bench.http import deliver, edge
from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server
from scripts.bench.stripe_events import ORDERS, SHOP, TOTAL, charge, event, intent, session

Connection = psycopg.Connection[Any]
Step = Callable[[Any, int], None]
"""One transaction with the event of that number."""

SETUP = """
    create table bench_plain (
        id bigint generated always as identity primary key, payload jsonb not null,
        received_at timestamptz not null default now()
    );
    create table bench_events (like billing.stripe_events including all);
"""
AT_ONCE = 10_000
"""Orders in one transaction of the preparation."""
EVENTS_OF_A_PURCHASE = 4
"""Stripe's telling of one: `_purchased` sends them."""
HOT = 0
"""The number of the payment that everybody refunds."""

PLAIN = "insert into bench_plain (payload) values (%s)"
RECORD = """
    insert into bench_events (id, type, created, payload, status, ended_at)
    select e ->> 'id', e ->> 'type', (e ->> 'created')::bigint, e, 'applied', now()
    from (select %s::jsonb) as v (e)
    on conflict do nothing
"""
RECEIVE = "select edge.receive_stripe_event(%s)"


PARTS = {
    "without mails": ["public.orders disable trigger _500_mail_paid"],
    "without ledger": ["public.payments disable trigger _300_post"],
    "without audit": [
        "public.orders disable trigger _900_audit_update",
        "public.payments disable trigger _900_audit_insert",
        "ledger.accounts disable trigger _900_audit_insert",
    ],
}
"""What a payment takes with it, each switched off in a copy of its own: where the time goes."""


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each event committed."""
    rounds = (options.rounds + 1) * options.clients * options.operations
    _prepare(server, options.rows, rounds)
    over_http, purchases = server.copy("bench_http"), server.copy("bench_purchases")
    parts = {name: _without(server, name, steps) for name, steps in PARTS.items()}
    parts["without all three"] = _without(
        server, "bare", [step for steps in PARTS.values() for step in steps]
    )
    unpaid = options.rows + 1
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))

        def clients(of: Server) -> list[Connection]:
            return [stack.enter_context(of.connect()) for _ in range(options.clients)]

        everyone, webhook = clients(server), stack.enter_context(edge(over_http, options.clients))
        callers = [
            stack.enter_context(closing(HTTPConnection("127.0.0.1", webhook))) for _ in range(options.clients)
        ]

        def work(
            step: Step, first: int = 1, of: Sequence[Any] = everyone, events: int = 1
        ) -> Callable[[], int]:
            numbers, steps = itertools.count(first), max(options.operations // events, 1)
            return lambda: events * _together(threads, of, steps, step, numbers)

        def case(name: str, variants: Mapping[str, Callable[[], int]]) -> Case:
            return Case(f"{name}, {options.clients} clients", "events/s", variants)

        yield [
            case(
                "different events",
                {
                    "plain insert": work(_plain),
                    "record": work(_record),
                    "record, apply: none of ours": work(_ignored),
                    "record, apply: order paid": work(_paid, unpaid),
                    "record, apply: all that a purchase sends": work(
                        _purchased, unpaid, clients(purchases), EVENTS_OF_A_PURCHASE
                    ),
                    "record, apply: heard before": work(_heard, unpaid),
                    "duplicate": work(_paid, unpaid),
                    **{
                        f"order paid {name}": work(_paid, unpaid, clients(copy))
                        for name, copy in parts.items()
                    },
                },
            ),
            case(
                "one payment of all",
                {"plain insert": work(_plain), "record, apply: refunded": work(_refunded)},
            ),
            case(
                "over HTTP",
                {
                    "plain insert": work(_plain),
                    "none of ours": work(_posted_ignored, of=callers),
                    "order paid": work(_posted_paid, unpaid, of=callers),
                    "duplicate": work(_posted_again, unpaid, of=callers),
                },
            ),
        ]


def _without(server: Server, name: str, steps: Iterable[str]) -> Server:
    copy = server.copy(f"bench_{name.replace(' ', '_')}")
    with copy.connect() as setup:
        for step in steps:
            setup.execute(f"alter table {step}".encode())
    return copy


def _prepare(server: Server, paid: int, unpaid: int) -> None:
    """So many orders that are paid, so many that wait, and one that everybody will refund."""
    with server.connect() as setup:
        setup.execute((SETUP + SHOP).encode())
        for first in range(HOT, paid + unpaid + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, paid + unpaid)
            setup.execute(ORDERS.format(first=first, last=last).encode())
        setup.execute("vacuum analyze")
        with setup.pipeline():
            for number in range(HOT, paid + 1):
                _paid(setup, number)
        setup.execute("vacuum analyze")


def _together(
    threads: ThreadPoolExecutor,
    clients: Sequence[Any],
    operations: int,
    step: Step,
    numbers: Iterator[int],
) -> int:
    def work(client: Any) -> int:
        for _ in range(operations):
            step(client, next(numbers))
        return operations

    return sum(threads.map(work, clients))


def _plain(client: Connection, number: int) -> None:
    client.execute(PLAIN, [_completed("p", number)], prepare=True)


def _record(client: Connection, number: int) -> None:
    client.execute(RECORD, [_completed("r", number)], prepare=True)


def _ignored(client: Connection, number: int) -> None:
    _receive(client, event(f"evt_i{number}", "checkout.session.created", session(number)), "ignored")


def _paid(client: Connection, number: int) -> None:
    client.execute(RECEIVE, [_completed("c", number)], prepare=True)


def _purchased(client: Connection, number: int) -> None:
    """What Stripe sends about one purchase if it is asked for everything; the third event pays."""
    asked = intent(number, declined=True) | {"last_payment_error": None, "latest_charge": None}
    for type_, object_, expected in (
        ("payment_intent.created", asked, "ignored"),
        ("charge.succeeded", charge(number, 0), "ignored"),
        ("payment_intent.succeeded", intent(number), "applied"),
        ("checkout.session.completed", session(number), "applied"),
    ):
        _receive(client, event(f"evt_{type_}{number}", type_, object_), expected)


def _heard(client: Connection, number: int) -> None:
    _receive(client, event(f"evt_h{number}", "payment_intent.succeeded", intent(number)), "applied")


def _refunded(client: Connection, number: int) -> None:
    # Mostly news that is older than what is known, as it is where one charge is reported on often.
    _receive(client, event(f"evt_f{number}", "charge.refunded", charge(HOT, min(number, TOTAL))), "applied")


def _posted_ignored(client: HTTPConnection, number: int) -> None:
    body = event(f"evt_i{number}", "checkout.session.created", session(number))
    _require(deliver(client, body), "ignored")


def _posted_paid(client: HTTPConnection, number: int) -> None:
    _require(deliver(client, _completed("c", number)), "applied")


def _posted_again(client: HTTPConnection, number: int) -> None:
    _require(deliver(client, _completed("c", number)), "duplicate")


def _completed(mark: str, number: int) -> str:
    return event(f"evt_{mark}{number}", "checkout.session.completed", session(number))


def _receive(client: Connection, payload: str, expected: str) -> None:
    row = client.execute(RECEIVE, [payload], prepare=True).fetchone()
    _require(row and row[0], expected)


def _require(answer: object, expected: str) -> None:
    if answer != expected:
        raise RuntimeError(f"{answer} instead of {expected}; its numbers would mean nothing")
