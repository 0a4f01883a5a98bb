"""Making people and organizations Pro: the tier follows a subscription, so they get one."""

from __future__ import annotations

import uuid

from tests.acting import World


def subscribe(world: World, *owners: uuid.UUID) -> None:
    """A live subscription to Pro for each of these people and organizations.

    Through `unpaid`, as one that lapsed and came back: nobody is mailed of its start.
    """
    world.as_dba(
        "insert into billing.customers (user_id) select id from public.profiles where id = any(%s)"
        " on conflict do nothing",
        list(owners),
    )
    world.as_dba(
        "insert into billing.customers (organization_id)"
        " select id from public.organizations where id = any(%s) on conflict do nothing",
        list(owners),
    )
    world.as_dba(
        "insert into public.subscriptions (customer_id, plan, status)"
        " select id, 'pro', 'unpaid' from billing.customers"
        " where user_id = any(%s) or organization_id = any(%s)",
        list(owners),
        list(owners),
    )
    world.as_dba(
        "update public.subscriptions set status = 'active'"
        " where user_id = any(%s) or organization_id = any(%s)",
        list(owners),
        list(owners),
    )
