"""Carries deliveries to the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

import httpx

from scripts.stripe_sim.account import Account
from scripts.stripe_sim.deliveries import Deliveries, Webhook, batches
from scripts.stripe_sim.signature import sign
from scripts.stripe_sim.store import Document
from scripts.stripe_sim.versions import CURRENT, as_of

ANSWER_WITHIN = 20.0
"""Seconds that the endpoint may take."""
SETTLED_AFTER = 0.2
"""Seconds without a new event after which what was held back for later ones goes out."""


class Courier:
    """Delivers by itself as events come, or, while deliveries are held, when asked to."""

    def __init__(
        self, account: Account, deliveries: Deliveries, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._account = account
        self._deliveries = deliveries
        self._wall_clock = wall_clock  # receivers compare the signature's time with their own clock
        self._news = asyncio.Event()
        deliveries.on_planned = self.wake
        self._turn = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=ANSWER_WITHIN, trust_env=False)

    def wake(self) -> None:
        """Something may have to be delivered."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            settled = await self._wait()
            if not self._deliveries.webhook.hold:
                await self.flush(settled=settled)

    async def flush(self, *, everything: bool = False, settled: bool = True) -> int:
        """Deliver what is due, or all that waits, and return how many deliveries were made."""
        async with self._turn:
            waiting = self._deliveries.due(everything=everything)
            if not settled:
                newest = self._deliveries.newest()
                waiting = [delivery for delivery in waiting if delivery["place"] <= newest]
            for batch in batches(waiting, self._deliveries.adversary.parallel):
                webhook = self._deliveries.webhook
                statuses = await asyncio.gather(*(self._send(webhook, each) for each in batch))
                with self._account.transaction():
                    for delivery, status in zip(batch, statuses, strict=True):
                        self._deliveries.settle(delivery, status)
            return len(waiting)

    async def close(self) -> None:
        await self._client.aclose()

    async def _wait(self) -> bool:
        """Until there is news, or something is due; whether no news came for a while."""
        seconds = self._until_due()
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return True
        self._news.clear()
        if self._deliveries.adversary.reorder:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), SETTLED_AFTER)
                return False
        return True

    def _until_due(self) -> float | None:
        if self._deliveries.webhook.hold or self._account.clock.frozen is not None:
            return None
        dues = [delivery["due"] for delivery in self._account.all("pending")]
        return max(0.05, min(dues) - self._account.now) if dues else None

    async def _send(self, webhook: Webhook, delivery: Document) -> int | None:
        payload = self.payload(delivery["event"], webhook)
        signature = sign(payload, webhook.secrets, int(self._wall_clock()))
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "stripe-signature": signature,
        }
        try:
            response = await self._client.post(webhook.url, content=payload, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response.status_code

    def payload(self, event_id: str, webhook: Webhook) -> bytes:
        """The event as it is sent, the same in every repetition."""
        version = webhook.api_version or CURRENT
        event = as_of(version, self._account.get("event", event_id))
        return json.dumps(event | {"api_version": version, "pending_webhooks": 1}, indent=2).encode()
