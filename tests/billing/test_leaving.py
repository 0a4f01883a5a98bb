"""Who leaves pays no more and is forgotten; what they paid stays."""

from __future__ import annotations

from tests.acting import Person, Row
from tests.billing.shop import Shop
from tests.identity.organizations import found, join

DELETE = "delete from auth.users where id = %s"


def _jobs(shop: Shop, kind: str) -> list[Row]:
    rows = shop.world.as_dba("select payload from jobs.queue where kind = %s order by id", kind)
    return [row["payload"] for row in rows]


def _delete(shop: Shop, person: Person) -> None:
    shop.world.as_auth_service(DELETE, person.id)


def test_what_a_deleted_person_paid_stays_and_nothing_more_is_charged(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.paid(ada, 2000)
    shop.apply("refund.created", shop.refund(purchase, 500))
    shop.apply("charge.dispute.created", shop.dispute(purchase, amount=100))
    subscribed = shop.subscribed(ada)
    shop.apply("invoice.paid", shop.invoice(subscribed))
    page = shop.order(ada)
    staged = shop.start(ada, [{"price_id": str(shop.price()), "quantity": 1}])
    kept = ("order_items", "payments", "refunds", "disputes")
    before = {table: shop.world.as_dba(f"table public.{table}") for table in kept}

    _delete(shop, ada)
    assert {table: shop.world.as_dba(f"table public.{table}") for table in kept} == before
    subscription = shop.dba("select id, status from public.subscriptions")
    assert _jobs(shop, "billing.cancel_subscription") == [{"subscription_id": str(subscription["id"])}]
    closed = {job["checkout_id"] for job in _jobs(shop, "billing.expire_checkout")}
    assert closed == {page.checkout["checkout_id"], staged["checkout_id"]}
    _assert_no_address(shop, ada)

    shop.apply(
        "customer.subscription.deleted", shop.subscription(subscribed, status="canceled"), 1_790_000_300
    )
    assert shop.dba("select status from public.subscriptions") == {"status": "canceled"}
    assert shop.dba("select subscription_tier as tier from public.profiles") == {"tier": "free"}
    _assert_no_address(shop, ada)
    shop.assert_sound()


def _move(shop: Shop, person: Person, address: str) -> None:
    """They change their address: what they gave before is theirs as well."""
    shop.world.as_auth_service("update auth.users set email = %s where id = %s", address, person.id)


def _assert_no_address(shop: Shop, person: Person) -> None:
    """In no table but Stripe's own events, and in no mail."""
    tables = (
        "billing.customers",
        "public.orders",
        "jobs.emails",
        "public.payments",
        "public.profiles",
        "audit.log",
    )
    for table in tables:
        rows = shop.world.as_dba(f"select t::text as row from {table} as t")  # noqa: S608
        assert not any(person.email in row["row"] for row in rows), table


def test_the_last_payment_of_a_deleted_person_is_money_all_the_same(shop: Shop) -> None:
    """They paid on the open page in the moment of leaving: recorded, mailed to nobody."""
    ada = shop.world.person("ada")
    purchase = shop.order(ada)
    _delete(shop, ada)
    shop.apply("checkout.session.completed", shop.session(purchase))
    assert shop.payment(purchase)["status"] == "succeeded"
    assert shop.dba("select status from public.orders") == {"status": "paid"}
    assert shop.world.as_dba("select * from jobs.emails where status = 'queued'") == []
    shop.assert_sound()


def test_a_subscription_that_begins_when_its_person_is_gone_is_ended(shop: Shop) -> None:
    ada = shop.world.person("ada")
    purchase = shop.open(shop.start_subscription(ada))
    _delete(shop, ada)
    shop.apply("customer.subscription.created", shop.subscription(purchase))
    subscription = shop.dba("select id, status from public.subscriptions")
    assert _jobs(shop, "billing.cancel_subscription") == [{"subscription_id": str(subscription["id"])}]
    assert shop.world.as_dba("select * from jobs.emails where status = 'queued'") == []
    shop.assert_sound()


def test_an_organization_that_ends_is_charged_no_more_and_one_that_is_handed_over_is(shop: Shop) -> None:
    ada, heir = shop.world.person("ada"), shop.world.person("heir")
    shared, alone = found(ada, "Shared"), found(ada, "Alone")
    join(ada, shared, heir, "member")
    for organization in (shared, alone):
        shop.subscribed(ada, organization)
    _move(shop, ada, "ada@elsewhere.example")
    _delete(shop, ada)
    ended = shop.dba("select id from public.subscriptions where organization_id = %s", alone)["id"]
    assert _jobs(shop, "billing.cancel_subscription") == [{"subscription_id": str(ended)}]
    _assert_no_address(shop, ada)
    assert heir.row("select status, organization_id as whose from subscriptions") == {
        "status": "active",
        "whose": shared,
    }
    assert heir.row("select edge.billing_customer(%s) as c", shared)["c"]["stripe_id"]


def test_an_organization_that_its_owner_deletes_is_charged_no_more(shop: Shop) -> None:
    ada = shop.world.person("ada")
    organization = found(ada)
    shop.subscribed(ada, organization)
    ada.rows("select delete_organization(%s)", organization)
    assert len(_jobs(shop, "billing.cancel_subscription")) == 1
    assert ada.rows("select * from subscriptions") == []
