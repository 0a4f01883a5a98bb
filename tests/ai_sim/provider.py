"""The stand-in of a stack, and the SDKs that speak to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

MODEL = "claude-haiku-4-5"
CHAT_MODEL = "gpt-4.1-mini"
PATIENCE = 20.0

_web = httpx.Client(timeout=60)


@dataclass(frozen=True)
class Providers:
    """Both providers, as one stack has them."""

    env: Mapping[str, str]

    def anthropic(self, **options: Any) -> Anthropic:
        return Anthropic(**self._options("ANTHROPIC", options))

    def async_anthropic(self, **options: Any) -> AsyncAnthropic:
        return AsyncAnthropic(**self._options("ANTHROPIC", options))

    def openai(self, **options: Any) -> OpenAI:
        return OpenAI(**self._options("OPENAI", options))

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        return AsyncOpenAI(**self._options("OPENAI", options))

    def _options(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        found = {"api_key": self.env[f"{name}_API_KEY"], "base_url": self.env[f"{name}_BASE_URL"]}
        return {**found, "max_retries": 0, **options}

    def fault(self, how: str, **details: Any) -> None:
        """The next calls go wrong."""
        self._control("POST", "faults", {"how": how, **details})

    def clear(self) -> None:
        """Faults end; what hangs is answered."""
        self._control("POST", "faults/clear")

    def adversary(self, **how: Any) -> None:
        self._control("PUT", "adversary", how)

    def reset(self) -> None:
        self._control("POST", "reset")

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._control("GET", "calls")
        return state

    def calls(self) -> list[dict[str, Any]]:
        """Every call that it understood, oldest first."""
        calls: list[dict[str, Any]] = self.state()["calls"]
        return calls

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        response = _web.request(method, f"{self.env['AI_URL']}/_sim/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds, but not forever."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
