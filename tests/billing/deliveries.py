"""Stripe delivering to the database, whatever happens to it: each event until it was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from scripts.bench.stripe_events import (
    CREATED,
    ORDERS,
    SHOP,
    TOTAL,
    charge,
    event,
    intent,
    nth,
    refund,
    session,
    subscription,
)
from tests.acting import World

Connection = psycopg.Connection[Any]
Receive = Callable[[Connection, str], str]
"""Hands one event to the database and answers what became of it."""
HangUp = Callable[[Connection, str], None]
"""The same, and cuts the connection before anybody hears of it."""

CONNECTIONS = 8
AT_ONCE = 2_000
PATIENCE = 60.0
"""Seconds after which a sender that nobody answers gives up."""


@dataclass(frozen=True)
class Fate:
    """An order, what Stripe will say about it in any order, and how it has to end."""

    number: int
    events: tuple[tuple[str, str], ...]
    """Ids and bodies."""
    refunded: int
    subscribed: bool

    @property
    def status(self) -> str:
        return {0: "paid", TOTAL: "refunded"}.get(self.refunded, "partially_refunded")


def fate(number: int) -> Fate:
    """Paid, a fifth after a declined card, two thirds with refunds, half with a subscription that ends.

    Most of it happens within one second of Stripe's clock.
    """
    events: list[tuple[str, Any, int]] = [
        ("checkout.session.completed", session(number), CREATED),
        ("payment_intent.succeeded", intent(number), CREATED),
    ]
    refunds = ((300, 900), (500,), ())[number % 3]
    for place, amount in enumerate(refunds):
        events += [
            ("charge.refunded", charge(number, sum(refunds[: place + 1])), CREATED),
            ("refund.created", refund(f"re_{number}_{place}", number, amount), CREATED),
        ]
    if number % 5 == 0:
        events.append(("payment_intent.payment_failed", intent(number, declined=True), CREATED))
    if number % 2 == 0:
        events += [
            ("customer.subscription.created", subscription(number, "incomplete"), CREATED),
            ("customer.subscription.updated", subscription(number, "active"), CREATED + 1),
            ("customer.subscription.updated", subscription(number, "past_due"), CREATED + 2),
            ("customer.subscription.deleted", subscription(number, "canceled"), CREATED + 2),
        ]
    named = [(f"evt_{number}_{place}", *said) for place, said in enumerate(events)]
    bodies = tuple((id_, event(id_, type_, object_, at)) for id_, type_, object_, at in named)
    return Fate(number, bodies, sum(refunds), number % 2 == 0)


def receive(connection: Connection, body: str) -> str:
    """As the edge does it."""
    row = connection.execute("select edge.receive_stripe_event(%s)", [body], prepare=True).fetchone()
    assert row is not None
    answer: str = row[0]
    return answer


def hang_up(connection: Connection, body: str) -> None:
    """The server works and commits; its reply finds nobody."""
    connection.pgconn.send_query_params(b"select edge.receive_stripe_event($1)", [body.encode()])
    while connection.pgconn.flush():
        time.sleep(0.001)
    connection.close()


@dataclass
class Deliveries:
    """The orders that are needed for so many deliveries, a third of which are duplicates."""

    world: World
    edge_url: str
    count: int
    receive: Receive = receive
    hang_up: HangUp = hang_up
    cut: float = 0.03
    """Of the events, those whose connection is cut before a reply is read."""
    seed: int = 1
    fates: list[Fate] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    unheard: int = 0
    """Events whose commit was never heard of, until a repetition was a duplicate."""

    def __post_init__(self) -> None:
        events = 0
        while events < self.count * 3 // 4:
            self.fates.append(fate(len(self.fates) + 1))
            events += len(self.fates[-1].events)
        with psycopg.connect(self.world.database_url, autocommit=True) as dba:
            dba.execute(SHOP)
            for first in range(1, len(self.fates) + 1, AT_ONCE):
                last = min(first + AT_ONCE - 1, len(self.fates))
                dba.execute(ORDERS.format(first=first, last=last).encode())
            dba.execute("analyze")

    def run(self, while_sending: Callable[[Callable[[float], None]], None] = lambda _: None) -> None:
        """Send everything from many connections; `while_sending` is told how to wait for a share of it."""
        rng = random.Random(self.seed)  # noqa: S311
        unique = [delivery for fate in self.fates for delivery in fate.events]
        everything = unique + rng.sample(unique, len(unique) // 3)
        rng.shuffle(everything)
        threads = [
            threading.Thread(target=self._send, args=[everything[n::CONNECTIONS], random.Random(n)])  # noqa: S311
            for n in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()

        def sent(share: float) -> None:
            while self.answers.total() < share * len(everything):
                assert any(thread.is_alive() for thread in threads), "the senders gave up"
                time.sleep(0.01)

        while_sending(sent)
        for thread in threads:
            thread.join()
        assert self.answers.total() == len(everything), "a sender failed"

    def _send(self, deliveries: list[tuple[str, str]], rng: random.Random) -> None:
        cut: set[str] = set()
        heard = time.monotonic()
        while deliveries and time.monotonic() < heard + PATIENCE:
            try:
                with psycopg.connect(self.edge_url, autocommit=True) as connection:
                    while deliveries:
                        id_, body = deliveries[-1]
                        if id_ not in cut and rng.random() < self.cut:
                            cut.add(id_)
                            self.hang_up(connection, body)
                            break
                        answer = self.receive(connection, body)
                        self.unheard += answer == "duplicate" and id_ in cut
                        self.answers[answer] += 1
                        self.acknowledged.add(id_)
                        deliveries.pop()
                        heard = time.monotonic()
            except psycopg.OperationalError:
                time.sleep(0.02)

    def faults(self) -> dict[str, int]:
        """What is not as it has to be, and in how many places."""
        self._try_again()
        expected = {
            "acknowledged": sorted(self.acknowledged),
            "orders": [nth(fate.number) for fate in self.fates],
            "statuses": [fate.status for fate in self.fates],
            "refunded": [fate.refunded for fate in self.fates],
            "subscribers": [nth(fate.number) for fate in self.fates if fate.subscribed],
        }
        with psycopg.connect(self.world.database_url) as dba:
            found = {}
            for name, query in FAULTS.items():
                row = dba.execute(query.encode(), expected).fetchone()
                found[name] = row[0] if row else 0
        return {name: count for name, count in found.items() if count}

    def _try_again(self) -> None:
        """What the jobs of waiting events will do, without the minutes until then."""
        for _ in range(3):
            self.world.as_dba(
                "select billing.apply_again(jsonb_build_object('event_id', e.id))"
                " from billing.stripe_events as e where e.status in ('received', 'failed') order by e.id"
            )


FAULTS = {
    "acknowledged and not there": """
        select count(*) from unnest(%(acknowledged)s::text[]) as a (id)
        where not exists (select from billing.stripe_events as e where e.id = a.id)
    """,
    "not applied": "select count(*) from billing.stripe_events as e where e.status <> 'applied'",
    "orders in a wrong state": """
        select count(*)
        from
            unnest(%(orders)s::uuid[], %(statuses)s::text[], %(refunded)s::bigint[])
            as x (id, status, refunded)
        left join public.orders as o on x.id = o.id
        where (o.status, o.amount_refunded) is distinct from (x.status, x.refunded)
    """,
    "subscriptions in a wrong state": """
        select count(*) from unnest(%(subscribers)s::uuid[]) as x (id)
        left join public.subscriptions as s on x.id = s.customer_id
        where s.status is distinct from 'canceled'
    """,
    "tiers without a subscription": """
        select count(*) from public.profiles as p where p.subscription_tier <> 'free'
    """,
    "orders without exactly one payment": """
        select count(*) from unnest(%(orders)s::uuid[]) as x (id)
        where (
            select count(*) from public.payments as p where p.order_id = x.id and p.status = 'succeeded'
        ) <> 1
    """,
    "payments without exactly one transfer": """
        select count(*) from public.payments as p
        where (
            select count(*) from ledger.transfers as t where t.reference = 'payment:' || p.id
        ) <> 1 or (
            select count(*) from ledger.transfers as t
            where t.reference between 'payment:' || p.id || ':' and 'payment:' || p.id || ':~'
        ) <> p.refund_postings
    """,
    "customers whose account is not what they paid": """
        select count(*)
        from public.payments as p
        left join ledger.accounts as a
            on a.owner_kind = 'customer' and a.owner_id = p.customer_id::text and a.name = 'payments'
        left join ledger.totals as t on a.id = t.account_id
        where t.amount is distinct from p.amount_refunded - p.amount
    """,
    "revenue that is not what was paid": """
        select count(*) from (
            select sum(e.amount) as amount from ledger.entries as e
            inner join ledger.accounts as a on e.account_id = a.id
            where a.owner_kind = 'platform' and a.name = 'revenue'
        ) as r
        where r.amount is distinct from (select sum(p.amount - p.amount_refunded) from public.payments as p)
    """,
    "what the ledger itself finds": "select count(*) from ledger.check()",
    "mails that are not transitions": """
        with changes as (
            select
                split_part(l.table_name, '.', 2) as what, l.row_key as id,
                coalesce(l.changes #>> '{status,0}', '') as old, l.changes #>> '{status,1}' as new,
                (l.changes #>> '{amount_refunded,1}')::bigint
                > (l.changes #>> '{amount_refunded,0}')::bigint as refunded
            from audit.log as l
            where l.table_name in ('public.orders', 'public.payments', 'public.subscriptions')
        ), causes as (
            select c.what || ':' || c.id || ':' || x.template as cause, count(*) as times
            from changes as c
            cross join lateral (
                select 'paid' as template
                where c.what = 'orders' and c.old in ('pending', 'failed') and c.new = 'paid'
                union all
                select 'notice'
                where c.what = 'orders' and c.old in ('pending', 'failed') and c.new = 'paid'
                union all
                select 'failed' where c.what = 'orders' and c.new = 'failed'
                union all
                select 'refund' where c.what = 'payments' and c.refunded
                union all
                select 'started'
                where
                    c.what = 'subscriptions' and c.old in ('', 'incomplete')
                    and c.new in ('trialing', 'active', 'past_due')
                union all
                select 'canceled'
                where c.what = 'subscriptions' and c.new = 'canceled' and c.old not in ('', 'incomplete')
            ) as x
            group by c.what, c.id, x.template
        ), mails as (
            select k[1] || 's:' || k[2] || ':' || k[3] as cause, count(*) as times
            from jobs.emails as m
            cross join lateral string_to_array(m.dedupe_key, ':') as k
            group by k[1], k[2], k[3]
        )
        select count(*) from causes as c
        full join mails as m on c.cause = m.cause
        where c.times is distinct from m.times
    """,
    "mails without exactly one job": """
        select count(*) from jobs.emails as m
        full join jobs.queue as q on q.kind = 'jobs.send_email' and (q.payload ->> 'email_id')::uuid = m.id
        where m.id is null and q.kind = 'jobs.send_email' or m.id is not null and q.id is null
    """,
}
