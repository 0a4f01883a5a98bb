"""A webhook endpoint as small as one can be: it verifies, notes, and answers what the test wants."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

from tests.stripe_sim.process import SECRET


class Receiver:
    """What arrived, in its order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.secret = SECRET
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.answers: deque[int] = deque()
        """The next statuses; then 200."""
        self.together = 1
        """So many have to be under way before one is answered."""
        self.most_at_once = 0
        self._under_way = 0
        self._changed = threading.Condition()

    @property
    def ids(self) -> list[str]:
        return [body["id"] for body in self.bodies]

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies]

    def take(self, payload: bytes, signature: str) -> int:
        stripe.Webhook.construct_event(payload, signature, self.secret)
        with self._changed:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            self.bodies.append(json.loads(payload))
            self.headers.append(signature)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most_at_once >= self.together, 10)
            self._under_way -= 1
            return self.answers.popleft() if self.answers else 200

    def wait_for(self, count: int) -> None:
        """Until so many arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.bodies) >= count, 10), self.types


class Listener(ThreadingHTTPServer):
    request_queue_size = 128  # for many deliveries at once


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["content-length"]))
            try:
                status = receiver.take(payload, self.headers["stripe-signature"])
            except stripe.SignatureVerificationError:
                status = 400
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with Listener(("127.0.0.1", 0), Handler) as listener:
        receiver = Receiver(f"http://127.0.0.1:{listener.server_port}/webhooks/stripe")
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield receiver
        listener.shutdown()
