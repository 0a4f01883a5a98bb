"""What was acknowledged survives kill -9; what was not is there whole or not at all."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import httpx
import stripe

from tests.stripe_sim.process import PATIENCE, Sim, eventually, launch, running
from tests.stripe_sim.receiver import receiving
from tests.stripe_sim.shop import Shop


def again(sim: Sim, state: Path, **environ: str) -> Sim:
    """Start what was killed at its old address."""
    port = int(sim.url.rpartition(":")[2])
    return launch(port, {"STRIPE_SIM_STATE": str(state), **environ})


def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    state = tmp_path / "simulator.sqlite"
    with running(state) as sim:
        acknowledged: list[str] = []

        def create() -> None:
            client = sim.client()
            with contextlib.suppress(stripe.APIConnectionError):
                while True:
                    acknowledged.append(client.v1.customers.create({"email": "a@b.c"}).id)

        clients = [threading.Thread(target=create) for _ in range(3)]
        for client in clients:
            client.start()
        eventually(lambda: len(acknowledged) > 50)
        sim.kill()
        for client in clients:
            client.join(PATIENCE)

        survivor = again(sim, state)
        try:
            kept = survivor.state()["objects"]
            ids = {customer["id"] for customer in kept["customer"]}
            told = {event["data"]["object"]["id"] for event in kept["event"]}
            assert set(acknowledged) <= ids
            assert told == ids
            assert survivor.client().v1.customers.create({}).id not in ids
        finally:
            survivor.kill()


def test_deliveries_keys_and_clock_survive_too(tmp_path: Path) -> None:
    state = tmp_path / "simulator.sqlite"
    with receiving() as receiver:
        environ = {"STRIPE_WEBHOOK_URL": receiver.url}
        with running(state, **environ) as sim:
            sim.control("PUT", "webhook", {"hold": True})
            shop = Shop(sim, sim.client())
            customer = shop.v1.customers.create({"name": "Ada"}, {"idempotency_key": "once"})
            session = shop.session((shop.price(), 1))
            sim.advance(seconds=3600)
            before = sim.state()
            sim.kill()

            survivor = again(sim, state, **environ)
            try:
                after = survivor.state()
                assert after["objects"] == before["objects"]
                assert after["pending"] == before["pending"] == 3
                assert 0 <= after["now"] - before["now"] < 600
                shop = Shop(survivor, survivor.client())
                repeated = shop.v1.customers.create({"name": "Ada"}, {"idempotency_key": "once"})
                assert repeated.id == customer.id
                survivor.flush()
                assert receiver.types == ["customer.created", "product.created", "price.created"]
                survivor.advance(seconds=86_400)
                assert shop.reload(session).status == "expired"
            finally:
                survivor.kill()


def test_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    with running(tmp_path / "simulator.sqlite") as sim:
        sim.process.terminate()
        assert sim.process.wait(PATIENCE) == 0
        try:
            httpx.get(f"{sim.url}/_sim/health")
        except httpx.ConnectError:
            return
        raise AssertionError("it still answers")
