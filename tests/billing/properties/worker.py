"""A worker that can be stopped between its question to Stripe and the record of the answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from scripts.stripe_sim.store import Document
from tests.acting import Row
from tests.billing.properties.database import Database
from tests.billing.properties.stripe_account import Refused, StripeAccount

Finish = Callable[[], object]
DIES = 0.05
"""Share of the pages of a reconciliation before which the worker is gone."""
PAGE = 20
ROUNDS = 30
"""So often everything that waits is tried at most, until nothing waits."""


@dataclass
class Worker:
    """Runs the jobs of the queue; answers that it has not recorded yet are `held`."""

    database: Database
    stripe: StripeAccount
    dice: random.Random
    held: list[Finish] = field(default_factory=list)
    sees_events: bool = True
    """False: Stripe has forgotten its events, as it does after thirty days."""

    def begin(self, count: int) -> int:
        """Claim some jobs, do those of SQL, and put the questions of the others; how many there were."""
        jobs = self.database.service_rows("select * from edge.claim_jobs('props', %s)", count)
        for job in jobs:
            if job["handler"] == "sql":
                self.database.service("select edge.run_job(%s, %s)", job["id"], job["lease"])
            elif job["kind"].startswith("billing."):
                self.held.append(getattr(self, f"_{job['kind'].removeprefix('billing.')}")(job))
            else:
                self._complete(job)
        return len(jobs)

    def finish(self) -> None:
        """Record one of the answers."""
        if self.held:
            self.held.pop(self.dice.randrange(len(self.held)))()

    def vanish(self) -> None:
        """Die with whatever is held; other workers get the jobs."""
        self.held.clear()
        self.database.rows(
            "update jobs.queue set leased_until = clock_timestamp() - interval '1 s' where state = 'running'"
        )
        self.database.service("select edge.reap()")

    def drain(self) -> None:
        """Work until there is nothing left to do, whenever it was to be done."""
        if self._empties(ROUNDS):
            return
        waiting = self.database.rows("select kind, payload, state, last_error from jobs.queue")
        raise AssertionError(f"the queue never gets empty: {waiting}")

    def try_hard(self) -> None:
        """Work for some time; what waits for something that got lost goes on waiting."""
        self._empties(3)

    def _empties(self, rounds: int) -> bool:
        for _ in range(rounds):
            self.database.rows("update jobs.queue set run_at = now(), turn = now() where state = 'scheduled'")
            begun = self.begin(50)
            while self.held:
                self.finish()
            if not begun:
                return True
        return False

    def _complete(self, job: Row) -> None:
        self.database.service(
            "select edge.complete_jobs(array[%s]::bigint[], array[%s]::bigint[])", job["id"], job["lease"]
        )

    def reconcile(self) -> None:
        """Compare everything, however often a worker dies on the way."""
        self.database.rows("select jobs.enqueue('billing.reconcile')")
        for _ in range(ROUNDS):
            self.try_hard()
            ended = "select count(*) as open from billing.reconciliations where ended_at is null"
            if not self.database.rows(ended)[0]["open"]:
                return
            self.vanish()
        raise AssertionError("the reconciliation never ends")

    def _reconcile(self, job: Row) -> Finish:
        id_, lease = job["id"], job["lease"]
        step = self.database.service("select edge.start_reconciliation(%s, %s)", id_, lease)
        if step is None:
            return lambda: self._complete(job)
        while step:
            if self.dice.random() < DIES:
                return lambda: None
            page = self._page(step["resource"], step["after"], step["since"])
            step = self.database.service(
                "select edge.reconcile_page(%s, %s, %s, %s)", id_, lease, page["data"], page["has_more"]
            )
        return lambda: None

    def _page(self, resource: str, after: str | None, since: int | None) -> Document:
        if resource == "event" and not self.sees_events:
            return {"data": [], "has_more": False}
        path = {"checkout.session": "checkout/sessions"}.get(resource, f"{resource}s")
        params = {
            "limit": PAGE,
            "starting_after": after,
            "status": "all" if resource == "subscription" else None,
        }
        return self.stripe.request("GET", path, params | {"created": {"gte": since}})

    def _refetch(self, job: Row) -> Finish:
        id_, lease = job["id"], job["lease"]
        wanted = self.database.service("select edge.start_refetch(%s, %s)", id_, lease)
        if wanted is None:
            return lambda: self._complete(job)
        objects = self._fetched(wanted["object"], wanted["id"])
        return lambda: self.database.service(
            "select edge.finish_refetch(%s, %s, %s, %s)", id_, lease, wanted["ticket"], objects
        )

    def _fetched(self, kind: str, id_: str) -> list[Document]:
        paths = {
            "subscription": "subscriptions", "payment_intent": "payment_intents",
            "checkout.session": "checkout/sessions", "invoice": "invoices", "dispute": "disputes",
            "charge": "charges",
        }  # fmt: skip
        objects = self.stripe.found(f"{paths[kind]}/{id_}")
        if kind == "payment_intent" and objects:
            if charge := objects[0]["latest_charge"]:
                objects += self.stripe.found(f"charges/{charge}")
            objects += self.stripe.listed("refunds", {"payment_intent": id_})
            payment = {"type": "payment_intent", "payment_intent": id_}
            objects += self.stripe.listed("invoice_payments", {"payment": payment})
            objects += self.stripe.listed("disputes", {"payment_intent": id_})
        return objects

    def _create_refund(self, job: Row) -> Finish:
        id_, lease = job["id"], job["lease"]
        try:
            wanted = self.database.service("select edge.start_refund(%s, %s)", id_, lease)
        except psycopg.Error as early:
            if early.sqlstate != "JB001":
                raise
            return lambda: self.database.service("select edge.retry_later(%s, %s, 'not yet', 1)", id_, lease)
        if wanted is None:
            return lambda: self._complete(job)
        params = {name: wanted[name] for name in ("payment_intent", "amount", "reason")}
        params["metadata"] = {"refund_id": wanted["refund_id"]}
        refund, error = None, None
        try:
            refund = self.stripe.request("POST", "refunds", params, f"refund:{wanted['refund_id']}")
        except Refused as refused:
            error = str(refused)
        return lambda: self.database.service(
            "select edge.finish_refund(%s, %s, %s, %s)", id_, lease, refund, error
        )

    def _cancel_subscription(self, job: Row) -> Finish:
        id_, lease = job["id"], job["lease"]
        wanted = self.database.service("select edge.start_cancellation(%s, %s)", id_, lease)
        if wanted is None:
            return lambda: self._complete(job)
        path = f"subscriptions/{wanted['stripe_id']}"
        try:
            ended = [self.stripe.request("DELETE", path)]
        except Refused:
            ended = self.stripe.found(path)
        return lambda: self.database.service(
            "select edge.finish_cancellation(%s, %s, %s)", id_, lease, ended[0] if ended else None
        )

    def _expire_checkout(self, job: Row) -> Finish:
        id_, lease = job["id"], job["lease"]
        wanted = self.database.service("select edge.start_expiry(%s, %s)", id_, lease)
        if wanted is None:
            return lambda: self._complete(job)
        path = f"checkout/sessions/{wanted['stripe_id']}"
        try:
            ended = [self.stripe.request("POST", f"{path}/expire")]
        except Refused:
            ended = self.stripe.found(path)
        return lambda: self.database.service(
            "select edge.finish_expiry(%s, %s, %s)", id_, lease, ended[0] if ended else None
        )
