"""The providers: asked within a deadline, again if that may help, and never for longer.

Attempts are repeated here and not by the SDKs, which would sleep past the deadline if a provider says
so, and would not tell of attempts that were lost, whose cost nobody knows.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from time import monotonic
from typing import Final

import structlog

from edge.ai.call import Answer, Api, Call, Failure, Reply, Say, Tokens, Unanswered
from edge.ai.choices import chosen
from edge.settings import Secret

ATTEMPTS: Final = 3
LOST_ATTEMPTS: Final = 2
"""Of these so many may be lost: each may have to be paid."""
FIRST_PAUSE: Final = 0.5
"""Seconds before the second attempt, doubled before the third; jitter takes up to half of it off."""

DECLINED: Final = "declined"

_APIS: Final = {
    "anthropic": ("edge.ai.anthropic_api", "AnthropicApi"),
    "openai": ("edge.ai.openai_api", "OpenAIApi"),
}

_log = structlog.get_logger("edge.ai")


class Providers:
    """Whoever has a key configured. `deadline` is in seconds for a call with all its attempts."""

    def __init__(
        self,
        anthropic: tuple[Secret | None, str],
        openai: tuple[Secret | None, str],
        deadline: float,
    ) -> None:
        self._accounts = {"anthropic": anthropic, "openai": openai}
        self._deadline = deadline
        self._apis: dict[str, Api] = {}
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections when the context ends."""
        try:
            yield
        finally:
            for api in self._apis.values():
                await api.close()

    async def ask(self, call: Call, say: Say | None) -> Answer:
        """The answer, if need be of a later attempt. Raises `Unanswered`."""
        until = monotonic() + self._deadline
        api = await self._api(call.provider)
        lost = 0
        paid: list[Tokens] = []
        for attempt in range(ATTEMPTS):
            try:
                reply = await self._attempt(api, call, say, until)
                output = _usable(reply, call)
            except Failure as failure:
                lost += failure.lost
                if failure.tokens is not None:
                    paid.append(failure.tokens)
                _log_failure(call, failure, attempt)
                pause = failure.retry_after
                if pause is None:
                    pause = FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
                is_last = attempt == ATTEMPTS - 1 or lost == LOST_ATTEMPTS
                if is_last or not failure.retry or monotonic() + pause >= until:
                    raise _unanswered(failure, lost, paid) from failure
                await asyncio.sleep(pause)
            else:
                return Answer(output, reply.is_cut, [*paid, reply.tokens], lost)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, api: Api, call: Call, say: Say | None, until: float) -> Reply:
        """One, for at most half of the whole time, so that there is some for another."""
        remaining = max(until - monotonic(), 0.001)
        patience = min(remaining, self._deadline / 2)
        has_spoken = False

        def told(text: str) -> None:
            nonlocal has_spoken
            has_spoken = True
            if say:
                say(_storable(text))

        try:
            # What has to be one of several answers is not told before it is known to be.
            if say is None or call.choices is not None:
                async with asyncio.timeout(patience):
                    return await api.ask(call, patience)
            async with asyncio.timeout(remaining):
                return await api.stream(call, patience, told)
        except TimeoutError as error:
            raise Failure("timeout", retry=not has_spoken, lost=True) from error

    async def _api(self, provider: str) -> Api:
        """Made when it is needed: importing an SDK takes longer than the edge takes to start.

        In a thread, because everybody else would wait for it too.
        """
        async with self._making:
            if provider not in self._apis:
                key, base_url = self._accounts[provider]
                if key is None:
                    _log.error("no_key", provider=provider)
                    raise Unanswered("no_key")
                self._apis[provider] = await asyncio.to_thread(_made, provider, key, base_url)
            return self._apis[provider]


def _made(provider: str, key: Secret, base_url: str) -> Api:
    module, name = _APIS[provider]
    api: Api = getattr(import_module(module), name)(key, base_url)
    return api


def _usable(reply: Reply, call: Call) -> str:
    """What can be handed on of a reply; raises `Failure` if there is nothing."""
    if reply.is_declined:
        raise Failure(DECLINED, tokens=reply.tokens)
    output = _storable(reply.output)
    if not output:
        raise Failure("empty", tokens=reply.tokens)
    if call.choices is None:
        return output
    choice = chosen(output, call.choices)
    if choice is None:
        raise Failure("not_a_choice", retry=True, tokens=reply.tokens)
    return choice


def _storable(text: str) -> str:
    """Without what Postgres cannot hold and no model means: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unanswered(failure: Failure, lost: int, paid: Sequence[Tokens]) -> Unanswered:
    wait = None if failure.retry_after is None else max(math.ceil(failure.retry_after), 1)
    return Unanswered(failure.reason, lost=lost, paid=paid, retry_after=wait)


def _log_failure(call: Call, failure: Failure, attempt: int) -> None:
    """Without the provider's words, which may repeat ours."""
    _log.warning(
        "attempt_failed",
        provider=call.provider,
        model=call.model,
        request=call.request_id,
        reason=failure.reason,
        attempt=attempt + 1,
        lost=failure.lost,
        error=type(failure.__cause__).__name__ if failure.__cause__ else None,
    )
