"""What is due when: the clock advances from one such moment to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from scripts.stripe_sim import renewals
from scripts.stripe_sim.account import Account
from scripts.stripe_sim.checkout import end_session
from scripts.stripe_sim.paying import settle
from scripts.stripe_sim.payment_methods import outcome_of


def _expire_session(account: Account, id_: str) -> None:
    session = account.get("checkout.session", id_)
    if session["status"] == "open":
        end_session(account, session)


def _settle(account: Account, id_: str) -> None:
    intent = account.get("payment_intent", id_)
    if intent["status"] == "processing":
        method = account.get("payment_method", intent["payment_method"])
        settle(account, intent, outcome_of(account, method))


ACTIONS: Mapping[str, Callable[[Account, str], None]] = {
    "cancel_at": renewals.cancel_at,
    "expire_session": _expire_session,
    "give_up": renewals.give_up,
    "renew": renewals.renew,
    "retry": renewals.retry,
    "settle": _settle,
    "trial_will_end": renewals.warn_of_trial_end,
    "unpause": renewals.unpause_collection,
}


class Timers:
    """Finds the next due one without looking at all; the store has the truth."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._heap: list[tuple[int, str]] = []
        account.on_schedule = self._remember
        for timer in account.all("timer"):
            self._remember(timer["due"], f"{timer['action']}:{timer['id']}")

    def run(self, until: int) -> int:
        """Do what is due until then, each at its moment, in its own transaction; how much that was."""
        count = 0
        while self._heap and self._heap[0][0] <= until:
            due, key = heapq.heappop(self._heap)
            count += self._fire(due, key)
        return count

    def next_due(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def forget(self) -> None:
        self._heap.clear()

    def _fire(self, due: int, key: str) -> bool:
        account = self._account
        try:
            with account.transaction():
                timer = account.store.find("timer", key)
                if not timer or timer["due"] != due:
                    return False  # it was moved or removed
                account.clock.pretend(due)
                account.store.remove("timer", key)
                ACTIONS[timer["action"]](account, timer["id"])
                return True
        finally:
            account.clock.pretend(None)

    def _remember(self, due: int, key: str) -> None:
        heapq.heappush(self._heap, (due, key))
