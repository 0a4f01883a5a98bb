"""What the environment tells the stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """AI_SIM_HOST and _PORT, and the keys that open it: ANTHROPIC_API_KEY, OPENAI_API_KEY."""

    host: str = "127.0.0.1"
    port: int = 12112
    anthropic_key: str = "sk-ant-groundwork"
    openai_key: str = "sk-groundwork"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        return cls(
            host=env.get("AI_SIM_HOST") or cls.host,
            port=int(env.get("AI_SIM_PORT") or cls.port),
            anthropic_key=env.get("ANTHROPIC_API_KEY") or cls.anthropic_key,
            openai_key=env.get("OPENAI_API_KEY") or cls.openai_key,
        )
