"""Who answers AI calls: the stand-in, until somebody asks for the real providers in so many words."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.stack.errors import StackError
from scripts.stack.parts import DECLARATIONS, Context
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack

REAL = {
    "ANTHROPIC_API_KEY": "sk-ant-real",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
}
STAND_IN = "http://127.0.0.1:23459/openai/v1"


def edge_env(stack: Stack) -> dict[str, str]:
    """What the stack tells the edge about providers."""
    context = Context(stack.settings, stack._secrets, stack._postgres, stack.env)
    env = DECLARATIONS["edge"](context).env
    return {name: env[name] for name in env if name.startswith(("ANTHROPIC", "OPENAI"))}


def test_keys_of_the_shell_reach_nobody(tmp_path: Path) -> None:
    stack = Stack(Settings.from_env(REAL | {"GROUNDWORK_STATE": str(tmp_path), "GROUNDWORK_PORT": "23450"}))
    env = edge_env(stack)
    assert {name: env[name] for name in env if "URL" in name} == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:23459/anthropic",
        "OPENAI_BASE_URL": STAND_IN,
    }
    assert "real" not in str(stack.env)
    assert len({env["ANTHROPIC_API_KEY"], env["OPENAI_API_KEY"]}) == 2


def test_real_providers_answer_if_told_so(tmp_path: Path) -> None:
    wanted = REAL | {"GROUNDWORK_STATE": str(tmp_path), "GROUNDWORK_AI": "live"}
    assert edge_env(Stack(Settings.from_env(wanted))) == {name: text for name, text in REAL.items() if text}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"GROUNDWORK_AI": "live", "ANTHROPIC_API_KEY": ""}, "needs a key"),
        (REAL | {"GROUNDWORK_AI": "LIVE"}, "has to be sim or live"),
        (
            REAL | {"GROUNDWORK_AI": "live", "GROUNDWORK_PORT": "23450", "OPENAI_BASE_URL": STAND_IN},
            "names the stand-in",
        ),
    ],
)
def test_half_a_wish_is_refused(env: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=message):
        Settings.from_env(env)
