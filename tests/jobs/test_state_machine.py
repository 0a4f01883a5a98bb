"""Whatever happens to jobs in whatever order: the queue does what a few lines of Python say it does."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.jobs.queueing import Queue

ENDED = {"done", "dead", "cancelled", "dropped"}


@dataclass
class Model:
    """A job as it should be."""

    state: str = "ready"
    lease: int = 0
    attempts: int = 0
    lost: int = 0
    due: bool = False
    """While it is scheduled: whether the next claim makes it ready."""


class Machine(RuleBasedStateMachine):
    """Workers that hold leases, some of them long lost, and admins who decide."""

    queue: Queue

    def __init__(self) -> None:
        super().__init__()
        self.queue.world.as_dba("truncate jobs.queue, jobs.finished")
        self.model: dict[int, Model] = {}
        self.leases: list[dict[str, Any]] = []

    @rule(later=st.booleans())
    def enqueue(self, later: bool) -> None:
        id_ = self.queue.stage(run_at="2999-01-01" if later else None)
        self.model[id_] = Model("scheduled" if later else "ready")

    @rule(batch=st.integers(1, 3))
    def claim(self, batch: int) -> None:
        jobs = self.queue.claim(batch)
        for model in self.model.values():
            if model.state == "scheduled" and model.due:
                model.state = "ready"
        ready = sum(job.state == "ready" for job in self.model.values())
        assert len(jobs) == min(batch, ready)
        for job in jobs:
            model = self.model[job["id"]]
            assert model.state == "ready"
            assert job["lease"] > model.lease
            assert job["attempt"] == model.attempts + 1
            model.state, model.lease = "running", job["lease"]
            self.leases.append(job)

    def _a_lease(self, data: random.Random) -> tuple[dict[str, Any], Model, bool] | None:
        if not self.leases:
            return None
        lease = data.choice(self.leases)
        model = self.model[lease["id"]]
        return lease, model, model.state == "running" and model.lease == lease["lease"]

    @rule(data=st.randoms(use_true_random=False))
    def complete(self, data: random.Random) -> None:
        if found := self._a_lease(data):
            lease, model, held = found
            assert self.queue.complete(lease) == ([] if held else [lease["id"]])
            if held:
                model.state = "done"

    @rule(data=st.randoms(use_true_random=False))
    def fail(self, data: random.Random) -> None:
        if found := self._a_lease(data):
            lease, model, held = found
            outcome = self.queue.fail(lease)
            if not held:
                assert outcome == "lease_lost"
                return
            model.attempts += 1
            model.state, model.due = "dead" if model.attempts == 3 else "scheduled", False
            assert outcome == ("dead" if model.attempts == 3 else "retry")

    @rule(data=st.randoms(use_true_random=False))
    def retry_later(self, data: random.Random) -> None:
        if found := self._a_lease(data):
            lease, model, held = found
            assert self.queue.later(lease, 3600) == ("later" if held else "lease_lost")
            if held:
                model.state, model.due = "scheduled", False

    @rule(data=st.randoms(use_true_random=False))
    def release(self, data: random.Random) -> None:
        if found := self._a_lease(data):
            lease, model, held = found
            self.queue.release(lease)
            if held:
                model.state = "ready"

    @rule(data=st.randoms(use_true_random=False))
    def heartbeat(self, data: random.Random) -> None:
        if found := self._a_lease(data):
            lease, _, held = found
            assert self.queue.heartbeat(lease) == ([] if held else [lease["id"]])

    @rule()
    def workers_vanish(self) -> None:
        self.queue.expire_leases()
        self.queue.reap()
        for model in self.model.values():
            if model.state == "running":
                model.lost += 1
                model.state = "scheduled" if model.lost < 20 else "dead"
                model.due = model.lost <= 2  # an accident; from then on with backoff

    @rule()
    def time_passes(self) -> None:
        self.queue.pass_time()
        # backoff of a hundredth of a second would else pass by itself
        self.queue.world.as_dba("update jobs.queue set state = 'ready' where state = 'scheduled'")
        for model in self.model.values():
            if model.state == "scheduled":
                model.state = "ready"

    @rule(data=st.randoms(use_true_random=False), decision=st.sampled_from(["cancel", "drop", "requeue"]))
    def decide(self, data: random.Random, decision: str) -> None:
        candidates = [
            id_
            for id_, model in self.model.items()
            if (model.state not in ENDED if decision == "cancel" else model.state in {"dead", "cancelled"})
        ]
        if not candidates:
            return
        id_ = data.choice(candidates)
        model = self.model[id_]
        if decision == "requeue":
            self.queue.world.as_dba("select jobs.requeue(%s)", id_)
            model.state, model.attempts, model.lost = "ready", 0, 0
        elif decision == "drop":
            self.queue.world.as_dba("select jobs.drop(%s, 'why')", id_)
            model.state = "dropped"
        else:
            self.queue.world.as_dba("select jobs.cancel(%s, 'why')", id_)
            model.state = "cancelled"

    @invariant()
    def agrees(self) -> None:
        expected = {id_: model.state for id_, model in self.model.items() if model.state != "done"}
        assert self.queue.states() == expected


def test_the_queue_agrees_with_its_model(queue: Queue) -> None:
    queue.world.as_dba("update jobs.kinds set backoff_seconds = 3600 where kind = 'test.python'")
    machine = type("Machine", (Machine,), {"queue": queue})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
