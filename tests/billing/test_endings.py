"""Who is gone pays no more, also if they left in the middle of a checkout."""

from tests.billing.fixtures import shop
from tests.billing.shop import Shop

__all__ = ["shop"]


def test_a_page_that_opens_for_somebody_who_was_just_deleted_is_closed_again(shop: Shop) -> None:
    ada = shop.world.person("ada")
    checkout = shop.start(ada, [{"price_id": str(shop.price()), "quantity": 1}])
    shop.world.as_auth_service("delete from auth.users where id = %s returning id", ada.id)
    shop.open(checkout)
    jobs = shop.world.as_dba(
        "select distinct payload ->> 'checkout_id' as id from jobs.queue where kind = 'billing.expire_checkout'"
    )
    assert [job["id"] for job in jobs] == [checkout["checkout_id"]]
    (open_,) = shop.world.as_dba("select status from billing.checkouts")
    assert open_["status"] == "open"


def test_a_page_of_somebody_who_stays_is_left_open(shop: Shop) -> None:
    shop.order(shop.world.person("ada"))
    assert shop.world.as_dba("select id from jobs.queue where kind = 'billing.expire_checkout'") == []
