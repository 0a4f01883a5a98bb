"""Jobs in the hands of a worker that asks Stripe."""

from __future__ import annotations

from tests.acting import Row
from tests.billing.shop import Shop


def claimed(shop: Shop, kind: str = "billing.%") -> list[Row]:
    """All that is ready, by id, held by one worker; those of other kinds are dropped."""
    shop.world.as_dba("delete from jobs.queue where kind not like %s and state = 'ready'", kind)
    return list(
        shop.ask(
            "select coalesce(jsonb_agg(j order by j.id), '[]') from edge.claim_jobs('a worker', 100) as j"
        )
    )
