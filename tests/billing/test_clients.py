"""What clients see and can do: the catalogue, their own money, nothing else, and no word of it written."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest

from tests.acting import Caller, Person, Row, refused
from tests.billing.shop import URLS, Shop
from tests.identity.organizations import found, join

MONEY = ("orders", "order_items", "payments", "refunds", "disputes", "subscriptions")
CATALOGUE = ("products", "prices", "plans")
INTERNALS = (
    "billing.customers", "billing.checkouts", "billing.stripe_events", "billing.stripe_payments",
    "billing.stripe_refunds", "billing.stripe_disputes", "billing.stripe_subscriptions", "billing.invoices",
    "billing.discrepancies", "billing.transitions", "ledger.transfers",
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """A buyer, a stranger, and an organization that subscribes; all there is of money is theirs."""

    buyer: Person
    stranger: Person
    owner: Person
    admin: Person
    member: Person
    organization: uuid.UUID


@pytest.fixture
def people(shop: Shop) -> People:
    buyer, stranger, owner, admin, member = map(
        shop.world.person, ("buyer", "stranger", "owner", "admin", "member")
    )
    organization = found(owner)
    join(owner, organization, admin, "admin")
    join(owner, organization, member, "member")
    purchase = shop.paid(buyer)
    shop.apply("refund.created", shop.refund(purchase, 500))
    shop.apply("charge.dispute.created", shop.dispute(purchase, amount=100))
    shared = shop.subscribed(owner, organization)
    shop.apply("invoice.paid", shop.invoice(shared))
    paid = {"object": "invoice_payment", "status": "paid", "invoice": f"in_{shared.session}"}
    payment = {"payment": {"type": "payment_intent", "payment_intent": shared.intent}}
    shop.apply("invoice_payment.paid", paid | payment)
    shop.apply("refund.created", shop.refund(shared, 100))
    shop.apply("charge.dispute.created", shop.dispute(shared, amount=100))
    return People(buyer, stranger, owner, admin, member, organization)


def _seen(caller: Caller) -> dict[str, int]:
    return {table: len(caller.rows(f"table {table}")) for table in MONEY}


def test_everybody_sees_what_is_for_sale_and_nothing_that_is_not(shop: Shop) -> None:
    sold = shop.price(name="Gear")
    shop.price(name="Old gear", archived="product")
    shop.price(name="Gear at another price", archived="price")
    for caller in (shop.world.anon, shop.world.person("ada")):
        names = {row["name"] for row in caller.rows("select name from products")}
        assert names == {"Gear", "Gear at another price", "Pro"}
        prices = caller.rows("select id, unit_amount, currency from prices where recurring is null")
        assert prices == [{"id": sold, "unit_amount": 2000, "currency": "USD"}]
        assert [row["plan"] for row in caller.rows("select plan from plans order by rank")] == ["free", "pro"]


def test_people_see_their_own_money_and_nobody_elses(people: People) -> None:
    nothing = dict.fromkeys(MONEY, 0)
    mine = {"orders": 1, "order_items": 1, "payments": 1, "refunds": 1, "disputes": 1}
    ours = {"payments": 1, "refunds": 1, "disputes": 1, "subscriptions": 1}
    assert _seen(people.buyer) == nothing | mine
    assert _seen(people.stranger) == nothing
    assert _seen(people.owner) == _seen(people.admin) == nothing | ours
    assert _seen(people.member) == nothing | {"subscriptions": 1}


def test_who_leaves_the_organization_sees_its_money_no_more(people: People) -> None:
    people.admin.rows("select leave_organization(%s)", people.organization)
    assert _seen(people.admin) == dict.fromkeys(MONEY, 0)


def test_visitors_see_no_money(shop: Shop, people: People, subtests: pytest.Subtests) -> None:
    for table in MONEY:
        with subtests.test(table), refused("42501"):
            shop.world.anon.rows(f"table {table}")


def test_nothing_that_clients_read_names_an_object_of_stripe(shop: Shop, people: People) -> None:
    for person in (people.buyer, people.owner):
        for table in (*MONEY, *CATALOGUE):
            said = json.dumps(person.rows(f"table {table}"), default=str)
            for prefix in ("cus_", "cs_", "pi_", "sub_", "re_", "dp_", "in_", "ch_", "evt_"):
                assert f'"{prefix}' not in said, table


WRITES: tuple[LiteralString, ...] = (
    "insert into products (name) values ('Mine')",
    "update products set name = 'Free gear'",
    "update prices set unit_amount = 1",
    "insert into prices (product_id, currency, unit_amount) select id, 'USD', 1 from products limit 1",
    "update plans set price_id = null",
    "insert into orders (customer_id, user_id, currency, total) values"
    " (gen_random_uuid(), auth.uid(), 'USD', 1)",
    "update orders set status = 'paid', paid_at = now()",
    "update orders set total = 1",
    "update orders set user_id = auth.uid()",
    "delete from orders",
    "insert into order_items (order_id, line) select order_id, 99 from order_items",
    "update order_items set unit_amount = 1",
    "delete from order_items",
    "insert into payments (customer_id, status, currency, amount) values"
    " (gen_random_uuid(), 'succeeded', 'USD', 1)",
    "update payments set amount_refunded = 0",
    "update payments set status = 'succeeded'",
    "delete from payments",
    "insert into refunds (payment_id, status, amount) select id, 'requested', 1 from payments limit 1",
    "update refunds set amount = 1",
    "delete from refunds",
    "update disputes set status = 'won'",
    "delete from disputes",
    "insert into subscriptions (customer_id, plan, status) values (gen_random_uuid(), 'pro', 'active')",
    "update subscriptions set status = 'active'",
    "update subscriptions set current_period_end = 'infinity'",
    "delete from subscriptions",
    "truncate orders",
)
TIERS: tuple[LiteralString, ...] = (
    "update profiles set subscription_tier = 'pro' where id = auth.uid()",
    "update organizations set subscription_tier = 'free'",
)


def test_nobody_writes_money(shop: Shop, people: People, subtests: pytest.Subtests) -> None:
    before = _everything(shop)
    callers: tuple[Caller, ...] = (shop.world.anon, people.buyer, people.owner, shop.world.service)
    for caller in callers:
        for statement in (*WRITES, *(TIERS if caller.role == "authenticated" else ())):
            with subtests.test(f"{caller.role}: {statement}"), refused("42501"):
                caller.rows(statement)
    for statement in WRITES:
        with subtests.test(f"edge_service: {statement}"), refused("42501"):
            shop.ask(statement)
    assert _everything(shop) == before


def _everything(shop: Shop) -> list[list[Row]]:
    return [
        sorted(shop.world.as_dba(f"table public.{table}"), key=str)
        for table in (*MONEY, *CATALOGUE, "profiles", "organizations")
    ]


def test_the_internals_are_closed(shop: Shop, people: People, subtests: pytest.Subtests) -> None:
    for table in INTERNALS:
        for caller in (shop.world.anon, people.buyer, people.owner, shop.world.service):
            with subtests.test(f"{caller.role}: {table}"), refused("42501"):
                caller.rows(f"table {table}")
        with subtests.test(f"edge_service: {table}"), refused("42501"):
            shop.ask(f"table {table}")


FUNCTIONS: LiteralString = """
    select
        p.oid::regprocedure::text as signature, n.nspname as schema,
        format('select %%I.%%I(%%s)', n.nspname, p.proname, (
            select string_agg('null::' || format_type(a.type, null), ', ' order by a.place)
            from unnest(p.proargtypes) with ordinality as a (type, place)
        )) as call,
        has_function_privilege('authenticated', p.oid, 'execute') as for_people,
        has_function_privilege('anon', p.oid, 'execute') as for_anon,
        has_function_privilege('service_role', p.oid, 'execute') as for_service,
        has_function_privilege('edge_service', p.oid, 'execute') as for_edge
    from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ('billing', 'edge') and p.prorettype <> 'trigger'::regtype
"""


def test_each_function_answers_those_who_may_call_it_and_no_others(
    shop: Shop, people: People, subtests: pytest.Subtests
) -> None:
    functions = shop.world.as_dba(FUNCTIONS)
    inner = [row for row in functions if row["schema"] == "billing"]
    assert len(inner) > 30
    for row in inner:
        for caller in (shop.world.anon, people.buyer, shop.world.service):
            with subtests.test(f"{caller.role}: {row['signature']}"), refused("42501"):
                caller.rows(row["call"])
        with subtests.test(f"edge_service: {row['signature']}"), refused("42501"):
            shop.ask(row["call"])
    doors = {row["signature"]: row for row in functions if row["schema"] == "edge"}
    for_people = {name.split("(")[0] for name, row in doors.items() if row["for_people"]}
    assert for_people >= {"edge.start_checkout", "edge.retry_order", "edge.start_subscription"}
    assert not for_people & {"edge.receive_stripe_event", "edge.open_checkout", "edge.bind_stripe_customer"}
    for name, row in doors.items():
        assert (row["for_anon"], row["for_service"]) == (False, False), name
        if not row["for_people"]:
            with subtests.test(f"authenticated: {name}"), refused("42501"):
                people.buyer.rows(row["call"])


def test_the_service_does_not_buy(shop: Shop) -> None:
    """Placing orders needs somebody who orders: the edge's own login is nobody."""
    with refused("42501"):
        shop.ask("select edge.start_checkout('[]', %s, %s, null)", *URLS)


def test_a_forged_event_of_a_client_reaches_nothing(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.order(ada)
    event = json.dumps(shop.event("checkout.session.completed", shop.session(purchase)))
    for caller in (ada, shop.world.anon, shop.world.service):
        with refused("42501"):
            caller.rows("select edge.receive_stripe_event(%s)", event)
    assert ada.row("select status from orders") == {"status": "pending"}


def test_the_url_of_the_pay_page_is_for_who_pays(shop: Shop) -> None:
    """Somebody else's order is not there, also not for the way to its pay page."""
    ada, eve = shop.world.person("ada"), shop.world.person("eve")
    purchase = shop.order(ada)
    shop.tell("payment_intent.payment_failed", shop.decline(purchase)["data"]["object"])
    with refused("not_found"):
        eve.rows("select edge.retry_order(%s)", purchase.order_id)
    assert ada.row("select edge.retry_order(%s) as c", purchase.order_id)["c"]["url"]


def test_a_client_cannot_raise_its_rights_inside_the_tier(shop: Shop, people: People) -> None:
    """Also not by joining what pays: a member reads the tier, and it follows the subscription alone."""
    assert people.member.row("select subscription_tier from organizations") == {"subscription_tier": "pro"}
    assert people.member.row("select subscription_tier from profiles where id = auth.uid()") == {
        "subscription_tier": "free"
    }
    with pytest.raises(psycopg.Error):
        people.member.rows("update profiles set subscription_tier = 'pro' where id = auth.uid()")
