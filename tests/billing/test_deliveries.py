"""Thousands of deliveries, a third of them duplicates, while Postgres is killed and connections are cut.

Acknowledged is there; every state is the right one; each payment was posted once; the outbox holds the
transitions. The controls are inboxes that are built otherwise: the same look must find what they do wrong.
GROUNDWORK_DELIVERIES and GROUNDWORK_KILLS make it longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from scripts.stack.stack import Stack
from tests.acting import World
from tests.billing.deliveries import Connection, Deliveries
from tests.crashes import doomed_server, forgetful, kill_postgres

MANY = int(os.environ.get("GROUNDWORK_DELIVERIES", "3000"))
KILLS = int(os.environ.get("GROUNDWORK_KILLS", "2"))
FEW = 400
TEMPLATE = "postgres"

APART = """
    create function edge.record_alone(payload jsonb) returns boolean
    language plpgsql security definer set search_path = '' as $$
    begin
        insert into billing.stripe_events (id, type, created, payload, status, ended_at)
        select
            payload ->> 'id', payload ->> 'type', (payload ->> 'created')::bigint, payload, 'applied', now()
        on conflict do nothing;
        return found;
    end $$;
    create function edge.apply_alone(payload jsonb) returns text
    language plpgsql security definer set search_path = '' as $$
    declare v_event billing.stripe_events;
    begin
        select e.* into strict v_event
        from billing.stripe_events as e
        where e.id = apply_alone.payload ->> 'id';
        return billing.try_event(v_event);
    end $$;
    grant execute on function edge.record_alone(jsonb), edge.apply_alone(jsonb) to edge_service;
"""
PAYLOADS_DECIDE = """
    create or replace function billing.merge_subscription(
        subscription jsonb, created bigint default null, ticket bigint default null
    )
    returns boolean language plpgsql set search_path = '' as $$
    declare
        v_customer_id uuid := billing.customer_for(subscription);
        v_known billing.stripe_subscriptions;
    begin
        select n.* into v_known
        from billing.stripe_subscriptions as n
        where n.stripe_id = subscription ->> 'id';
        if not found then
            perform billing.add_subscription(subscription, v_customer_id, created);
        elsif {condition} then
            update public.subscriptions as s
            set
                status = subscription ->> 'status',
                ended_at = case subscription ->> 'status' when 'canceled' then now() end
            where s.id = v_known.subscription_id;
            update billing.stripe_subscriptions as n
            set as_of = merge_subscription.created
            where n.subscription_id = v_known.subscription_id;
        end if;
        return true;
    end $$;
"""
UNGUARDED = """
    alter table public.subscriptions disable trigger _120_refuse_revival;
    alter table public.subscriptions disable trigger _150_move;
"""


@pytest.fixture(scope="module")
def server(states: Path) -> Iterator[Stack]:
    with doomed_server(states / "doomed") as stack:
        yield stack


@pytest.fixture
def deliver(server: Stack, request: pytest.FixtureRequest) -> Callable[..., Deliveries]:
    """A shop with so many deliveries to come, in a database of its own."""

    def prepare(count: int, control: str = "") -> Deliveries:
        name = f"world_{abs(hash(request.node.name))}"
        with psycopg.connect(server.superuser_url("template1"), autocommit=True) as connection:
            connection.execute(f"create database {name} template {TEMPLATE} owner postgres".encode())
        at = urlsplit(server.url("postgres"))._replace(path=f"/{name}").geturl()
        world = World(server.superuser_url(name), at, server.url("authenticator", name))
        if control:
            world.as_dba(control.encode())  # type: ignore[arg-type]
        return Deliveries(world, server.url("edge_service", name), count)

    return prepare


def killing(server: Stack, kills: int) -> Callable[[Callable[[float], None]], None]:
    """Kill it so many times on the way, each time in the middle of work."""

    def while_sending(sent: Callable[[float], None]) -> None:
        for kill in range(kills):
            sent((kill + 1) / (kills + 1))
            kill_postgres(server)
            time.sleep(0.2)
            server.up(("postgres",), migrations=False)

    return while_sending


def test_whatever_happens_on_the_way_each_event_counts_once(
    server: Stack, deliver: Callable[..., Deliveries]
) -> None:
    deliveries = deliver(MANY)
    started = time.monotonic()
    deliveries.run(killing(server, KILLS))
    took = time.monotonic() - started
    assert deliveries.faults() == {}
    assert len(deliveries.acknowledged) == sum(len(fate.events) for fate in deliveries.fates)
    assert deliveries.unheard > 0, "no reply was lost on its way"
    assert deliveries.answers["failed"] == 0
    print(f"{deliveries.answers} in {took:.0f} s, {deliveries.unheard} unheard of, {KILLS} kills")


def recorded_then_applied(connection: Connection, body: str) -> str:
    row = connection.execute("select edge.record_alone(%s)", [body]).fetchone()
    if row == (False,):
        return "duplicate"
    connection.execute("select edge.apply_alone(%s)", [body])
    return "applied"


def recorded_then_cut(connection: Connection, body: str) -> None:
    connection.execute("select edge.record_alone(%s)", [body])
    connection.close()


def test_recording_and_applying_apart_is_caught(deliver: Callable[..., Deliveries]) -> None:
    deliveries = deliver(FEW, APART)
    deliveries.receive, deliveries.hang_up, deliveries.cut = recorded_then_applied, recorded_then_cut, 0.3
    deliveries.run()
    faults = deliveries.faults()
    assert faults["subscriptions in a wrong state"] > 0
    assert "acknowledged and not there" not in faults, "that is not what is wrong with it"


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(UNGUARDED + PAYLOADS_DECIDE.format(condition="true"), id="last write wins"),
        pytest.param(PAYLOADS_DECIDE.format(condition="created > v_known.as_of"), id="newer second wins"),
    ],
)
def test_an_inbox_that_trusts_the_order_is_caught(deliver: Callable[..., Deliveries], control: str) -> None:
    deliveries = deliver(FEW, control)
    deliveries.run()
    faults = deliveries.faults()
    assert faults["subscriptions in a wrong state"] > 0
    assert "orders in a wrong state" not in faults, "only subscriptions are merged wrongly"


def test_a_postgres_that_acknowledges_too_early_is_caught(
    server: Stack, deliver: Callable[..., Deliveries]
) -> None:
    deliveries = deliver(FEW)
    with forgetful(server):
        deliveries.run(killing(server, 1))
    faults = deliveries.faults()
    assert faults["acknowledged and not there"] > 0
