"""What an event of Stripe costs: recorded and applied, against a plain insert of the same two kilobytes.

`--rows` is how many paid orders there are before. Every order is of a customer of its own, and one person
runs the shop: so each payment stages two mails.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg

from scripts.bench.measure import Case
from scripts.bench.options import Options
from scripts.bench.server import Server

Connection = psycopg.Connection[Any]
Step = Callable[[Connection, int], None]
"""One transaction with the event of that number."""

SETUP = """
    create table bench_plain (
        id bigint generated always as identity primary key, payload jsonb not null,
        received_at timestamptz not null default now()
    );
    create table bench_events (like billing.stripe_events including all);
    insert into public.profiles (id, email, role) values (gen_random_uuid(), 'owner@example.com', 'super_admin');
    insert into public.products (id, name) values ('{product}', 'Something');
    insert into public.prices (id, product_id, currency, unit_amount) values ('{price}', '{product}', 'USD', 1200);
"""
NUMBERED = """
    create function pg_temp.nth(number bigint) returns uuid language sql immutable as
    $$ select ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid $$;
"""
ORDERS = """
    insert into public.profiles (id, email)
    select pg_temp.nth(g), 'p' || g || '@example.com' from generate_series({first}, {last}) as g;
    insert into billing.customers (id, user_id, email, stripe_id)
    select pg_temp.nth(g), pg_temp.nth(g), 'p' || g || '@example.com', 'cus_' || g
    from generate_series({first}, {last}) as g;
    insert into public.orders (id, customer_id, user_id, currency, total, customer_email)
    select pg_temp.nth(g), pg_temp.nth(g), pg_temp.nth(g), 'USD', 1200, 'p' || g || '@example.com'
    from generate_series({first}, {last}) as g;
    insert into public.order_items (order_id, line, user_id, product_id, price_id, name, unit_amount, quantity)
    select pg_temp.nth(g), 1, pg_temp.nth(g), '{product}', '{price}', 'Something', 1200, 1
    from generate_series({first}, {last}) as g;
    insert into billing.checkouts (id, customer_id, kind, order_id, success_url, cancel_url, stripe_id, url, expires_at)
    select
        pg_temp.nth(g), pg_temp.nth(g), 'payment', pg_temp.nth(g), 'https://example.com', 'https://example.com',
        'cs_' || g, 'https://checkout.stripe.com/c/pay/cs_' || g, now() + interval '1 day'
    from generate_series({first}, {last}) as g;
"""
PRODUCT = "00000000-0000-4000-8000-0000000a0001"
PRICE = "00000000-0000-4000-8000-0000000a0002"
AT_ONCE = 10_000
"""Orders in one transaction of the preparation."""
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


def session(number: int) -> dict[str, Any]:
    """A completed checkout session as Stripe shows it, for the checkout of that number."""
    nothing = (
        "after_expiration allow_promotion_codes billing_address_collection client_secret consent consent_collection"
        " currency_conversion customer_creation customer_email discounts invoice locale payment_link"
        " payment_method_configuration_details recovered_from setup_intent shipping_cost shipping_details"
        " submit_type subscription ui_mode url"
    )
    return dict.fromkeys(nothing.split()) | {
        "id": f"cs_{number}",
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": 1200,
        "amount_total": 1200,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": f"https://app.example.com/orders/{_nth(number)}?checkout=canceled",
        "client_reference_id": _nth(number),
        "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
        "created": 1_790_000_000,
        "currency": "usd",
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
        "customer": f"cus_{number}",
        "customer_details": {
            "address": {"city": None, "country": "DE", "line1": None, "line2": None, "postal_code": None},
            "email": f"p{number}@example.com",
            "name": f"Person {number}",
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "expires_at": 1_790_086_400,
        "invoice_creation": {"enabled": False, "invoice_data": {"footer": None, "metadata": {}}},
        "livemode": False,
        "metadata": {"checkout_id": _nth(number), "order_id": _nth(number)},
        "mode": "payment",
        "payment_intent": f"pi_{number}",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "paid",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": {"payment_method_remove": None, "payment_method_save": None},
        "shipping_options": [],
        "status": "complete",
        "success_url": f"https://app.example.com/orders/{_nth(number)}?checkout=success",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }


def intent(number: int) -> dict[str, Any]:
    """The payment intent of that session."""
    return {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "amount": 1200,
        "amount_received": 1200,
        "currency": "usd",
        "customer": f"cus_{number}",
        "latest_charge": f"ch_{number}",
        "metadata": {"checkout_id": _nth(number), "order_id": _nth(number)},
        "status": "succeeded",
    }


def charge(number: int, refunded: int) -> dict[str, Any]:
    """The charge of that intent, of which so much has gone back."""
    return {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": 1200,
        "amount_captured": 1200,
        "amount_refunded": refunded,
        "captured": True,
        "currency": "usd",
        "customer": f"cus_{number}",
        "metadata": {"checkout_id": _nth(number), "order_id": _nth(number)},
        "paid": True,
        "payment_intent": f"pi_{number}",
        "status": "succeeded",
    }


def event(id_: str, type_: str, object_: Mapping[str, Any]) -> str:
    """An event as it is posted to the webhook."""
    return json.dumps(
        {
            "id": id_,
            "object": "event",
            "api_version": "2026-08-26.clover",
            "created": 1_790_000_060,
            "data": {"object": object_},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
    )


@contextmanager
def cases(server: Server, options: Options) -> Iterator[list[Case]]:
    """Several clients, each event committed."""
    rounds = (options.rounds + 1) * options.clients * options.operations
    _prepare(server, options.rows, rounds)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(options.clients))
        clients = [stack.enter_context(server.connect()) for _ in range(options.clients)]

        def work(step: Step, first: int = 1) -> Callable[[], int]:
            numbers = itertools.count(first)
            return partial(_together, threads, clients, options.operations, step, numbers)

        def case(name: str, variants: Mapping[str, Callable[[], int]]) -> Case:
            return Case(f"{name}, {options.clients} clients", "events/s", variants)

        yield [
            case(
                "different events",
                {
                    "plain insert": work(_plain),
                    "record": work(_record),
                    "record, apply: none of ours": work(_ignored),
                    "record, apply: order paid": work(_paid, options.rows + 1),
                    "record, apply: heard before": work(_heard, options.rows + 1),
                    "duplicate": work(_paid, options.rows + 1),
                },
            ),
            case(
                "one payment of all",
                {"plain insert": work(_plain), "record, apply: refunded": work(_refunded)},
            ),
        ]


def _prepare(server: Server, paid: int, unpaid: int) -> None:
    """So many orders that are paid, so many that wait, and one that everybody will refund."""
    with server.connect() as setup:
        setup.execute((SETUP + NUMBERED).format(product=PRODUCT, price=PRICE).encode())
        for first in range(HOT, paid + unpaid + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, paid + unpaid)
            setup.execute(ORDERS.format(product=PRODUCT, price=PRICE, first=first, last=last).encode())
        setup.execute("vacuum analyze")
        with setup.pipeline():
            for number in range(HOT, paid + 1):
                _paid(setup, number)
        setup.execute("vacuum analyze")


def _together(
    threads: ThreadPoolExecutor,
    clients: list[Connection],
    operations: int,
    step: Step,
    numbers: Iterator[int],
) -> int:
    def work(client: Connection) -> int:
        for _ in range(operations):
            step(client, next(numbers))
        return operations

    return sum(threads.map(work, clients))


def _nth(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _plain(client: Connection, number: int) -> None:
    client.execute(PLAIN, [event(f"evt_p{number}", "checkout.session.completed", session(number))], prepare=True)


def _record(client: Connection, number: int) -> None:
    client.execute(RECORD, [event(f"evt_r{number}", "checkout.session.completed", session(number))], prepare=True)


def _ignored(client: Connection, number: int) -> None:
    _receive(client, event(f"evt_i{number}", "checkout.session.created", session(number)), "ignored")


def _paid(client: Connection, number: int) -> None:
    payload = event(f"evt_c{number}", "checkout.session.completed", session(number))
    client.execute(RECEIVE, [payload], prepare=True)


def _heard(client: Connection, number: int) -> None:
    _receive(client, event(f"evt_h{number}", "payment_intent.succeeded", intent(number)), "applied")


def _refunded(client: Connection, number: int) -> None:
    # Mostly news that is older than what is known, as it is where one charge is reported on often.
    _receive(client, event(f"evt_f{number}", "charge.refunded", charge(HOT, min(number, 1200))), "applied")


def _receive(client: Connection, payload: str, expected: str) -> None:
    answer = client.execute(RECEIVE, [payload], prepare=True).fetchone()
    if answer != (expected,):
        raise RuntimeError(f"{answer} instead of {expected}; its numbers would mean nothing")
