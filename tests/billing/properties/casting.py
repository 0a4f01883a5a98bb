"""Who and what an example needs, in a database that many examples share."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from tests.acting import Person, World
from tests.billing.properties.database import Database

UNIT_AMOUNT = 1000


@dataclass
class Cast:
    """Who buys, in a database where others bought before."""

    ada: Person
    bob: Person
    company: uuid.UUID
    boss: Person
    price: uuid.UUID

    @property
    def payers(self) -> Sequence[tuple[Person, uuid.UUID | None]]:
        return (self.ada, None), (self.bob, None), (self.ada, self.company)


def open_shop(world: World) -> tuple[uuid.UUID, Person]:
    """A price, and the super admin who gets all notices; once per database."""
    boss = world.person("boss")
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", boss.id)
    (product,) = world.as_dba("insert into public.products (name) values ('Thing') returning id")
    (price,) = world.as_dba(
        "insert into public.prices (product_id, currency, unit_amount) values (%s, 'USD', %s) returning id",
        product["id"], UNIT_AMOUNT,
    )  # fmt: skip
    return price["id"], boss


def cast(database: Database, price: uuid.UUID, boss: Person) -> Cast:
    """Two people and a company, who have bought nothing yet."""
    tag = uuid.uuid4().hex[:8]
    ada, bob = (database.world.person(f"{name}-{tag}") for name in ("ada", "bob"))
    company = database.as_person(ada, "select (public.create_organization('Company')).id")
    return Cast(ada, bob, company, boss, price)
