"""Kill -9 of the edge in the middle of an event, and of the worker in the middle of a refund."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from tests.acting import Person, World
from tests.edge.auth_server import AuthServer
from tests.edge.doomed_edge import EVENT_STEPS
from tests.edge.doomed_refunder import STEPS
from tests.edge.process import EdgeProcess
from tests.edge.stripe_webhooks import ADDRESS, body_of, signed
from tests.edge.till import Till, ok
from tests.jobs.fixtures import queue
from tests.jobs.queueing import Queue
from tests.stripe_sim.process import KEY, Sim
from tests.worker.process import PATIENCE, eventually, start, worker

__all__ = ["queue"]

REFUNDED = 1000


@pytest.fixture
def till(client: TestClient[ASGIApp], world: World, auth: AuthServer, sim: Sim) -> Till:
    return Till(client, world, auth, sim)


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("ada")


def pay(till: Till, ada: Person) -> bytes:
    """Ada pays an order at Stripe; the delivery that will say so."""
    page = ok(till.ask(ada, "checkout", till.order()))
    till.sim.press(page["url"], method="succeed", email=ada.email)
    (told,) = [event for event in till.made("event") if event["type"] == "checkout.session.completed"]
    return body_of(told)


def transfers(world: World) -> list[str]:
    """What each transfer was about."""
    assert world.as_dba("select * from ledger.check()") == []
    rows = world.as_dba("select reference from ledger.transfers order by id")
    return [":".join(row["reference"].split(":")[::2]) for row in rows]


@pytest.mark.parametrize("step", EVENT_STEPS)
def test_an_event_survives_the_edge(  # noqa: PLR0913, PLR0917
    start_edge: Callable[..., AbstractContextManager[EdgeProcess]],
    till: Till, client: TestClient[ASGIApp], world: World, ada: Person, step: str,
) -> None:  # fmt: skip
    """Stripe was not answered and delivers again: whether it was recorded or not, it counts once."""
    body = pay(till, ada)
    with start_edge(module="tests.edge.doomed_edge", DOOM=step) as doomed:
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{doomed.url}{ADDRESS}", content=body, headers=signed(body), timeout=20)
        assert doomed.process.wait(20) == -signal.SIGKILL
    known = world.as_dba("select status from billing.stripe_events")
    assert known == ([{"status": "applied"}] if step == "after_receiving" else [])
    answer = client.post(ADDRESS, content=body, headers=signed(body)).json()["status"]
    assert answer == ("duplicate" if step == "after_receiving" else "applied")
    assert [order["status"] for order in till.orders(ada)] == ["paid"]
    assert transfers(world) == ["payment"]


def crash_and_recover(till: Till, ada: Person, queue: Queue, step: str, variant: str) -> int:
    """How many refunds there are at Stripe after a worker died and another one went on."""
    world = till.world
    body = pay(till, ada)
    assert till.client.post(ADDRESS, content=body, headers=signed(body)).status_code == 200
    world.as_dba("update jobs.kinds set lease_seconds = 2, backoff_seconds = 0.01")
    world.as_dba("delete from jobs.schedules")
    admin = world.person("admin")
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", admin.id)
    (payment,) = world.as_dba("select id from public.payments")
    admin.rows("select admin_refund_payment(%s, %s)", payment["id"], REFUNDED)

    environ = {"STRIPE_API_BASE": till.sim.url, "STRIPE_SECRET_KEY": KEY, "VARIANT": variant}
    doomed = start(queue, "tests.edge.doomed_refunder", DOOM=step, **environ)
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    queue.expire_leases()  # nobody is left to keep them

    def done() -> bool:
        queue.reap()
        return not world.as_dba("select id from jobs.queue where kind = 'billing.create_refund'")

    with worker(queue, "tests.edge.doomed_refunder", DOOM="never", **environ):
        eventually(done, "the refund is left over")
    return len(till.made("refund"))


@pytest.mark.parametrize("step", STEPS)
def test_a_refund_survives_the_worker(till: Till, ada: Person, world: World, queue: Queue, step: str) -> None:
    """Killed at any step: one refund at Stripe, one here, one transfer; what Stripe tells adds nothing."""
    assert crash_and_recover(till, ada, queue, step, "sound") == 1
    for event in till.made("event"):
        body = body_of(event)
        assert till.client.post(ADDRESS, content=body, headers=signed(body)).status_code == 200
    assert len(till.made("refund")) == 1
    assert world.as_dba("select status, amount from public.refunds") == [
        {"status": "succeeded", "amount": REFUNDED}
    ]
    assert world.as_dba("select amount_refunded, amount_requested from public.payments") == [
        {"amount_refunded": REFUNDED, "amount_requested": 0}
    ]
    assert transfers(world) == ["payment", "payment:refund"]
    (mails,) = world.as_dba("select count(*) as n from jobs.emails where template = 'refund_issued'")
    assert mails["n"] == 1


@pytest.mark.parametrize(
    ("step", "variant", "refunds"),
    [("after_refund", "rekeyed", 2), ("after_start", "forgets", 0)],
)
def test_a_worker_that_would_refund_twice_or_never_is_caught(  # noqa: PLR0913, PLR0917
    till: Till, ada: Person, queue: Queue, step: str, variant: str, refunds: int
) -> None:
    """The controls."""
    assert crash_and_recover(till, ada, queue, step, variant) == refunds
