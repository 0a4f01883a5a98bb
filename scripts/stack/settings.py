"""Where a stack keeps its state and which ports it listens on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
DEFAULT_PORT = 55320
PORTS_PER_STACK = 10
PROVIDER_KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
PROVIDER_VARIABLES = (*PROVIDER_KEYS, "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL")


@dataclass(frozen=True)
class Settings:
    """One stack is one state directory and ten consecutive ports."""

    state: Path = ROOT / ".local"
    port: int = DEFAULT_PORT
    project: Path = ROOT
    """The directory that holds `supabase/`: configuration, migrations, seed."""
    confirm_email: bool = False
    """Whether sign-up waits for the link in the confirmation e-mail, as it does in production."""
    live_ai: Mapping[str, str] = field(default_factory=dict)
    """Keys of the real providers; without any, and by default, the stand-in answers."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read GROUNDWORK_STATE, _PORT, _CONFIRM_EMAIL and _AI, and if that is `live` the providers' keys.

        A stack stays on the port that it was started with until another is named.
        """
        state = (ROOT / Path(env.get("GROUNDWORK_STATE") or ".local").expanduser()).resolve()
        port = env.get("GROUNDWORK_PORT") or _read(state / "port") or str(DEFAULT_PORT)
        return cls(
            state=state,
            port=_port(port),
            confirm_email=env.get("GROUNDWORK_CONFIRM_EMAIL") == "1",
            live_ai=_live_ai(env, _port(port)),
        )

    def remember_port(self) -> None:
        """Let later commands on this state directory find the stack where it is."""
        (self.state / "port").write_text(f"{self.port}\n")

    @property
    def gateway_port(self) -> int:
        return self.port + 1

    @property
    def postgres_port(self) -> int:
        return self.port + 2

    @property
    def edge_port(self) -> int:
        return self.port + 3

    @property
    def mail_port(self) -> int:
        """The mailbox's page and API."""
        return self.port + 4

    @property
    def smtp_port(self) -> int:
        return self.port + 5

    @property
    def google_port(self) -> int:
        return self.port + 6

    @property
    def worker_port(self) -> int:
        """The worker's health and metrics."""
        return self.port + 7

    @property
    def stripe_port(self) -> int:
        """The Stripe simulator: API, pay pages, control."""
        return self.port + 8

    @property
    def ai_port(self) -> int:
        """The stand-in of the AI providers."""
        return self.port + 9

    @property
    def supabase_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def edge_url(self) -> str:
        return f"http://{HOST}:{self.edge_port}"

    @property
    def worker_url(self) -> str:
        return f"http://{HOST}:{self.worker_port}"

    @property
    def mail_url(self) -> str:
        return f"http://{HOST}:{self.mail_port}"

    @property
    def smtp_url(self) -> str:
        return f"smtp://{HOST}:{self.smtp_port}"

    @property
    def google_url(self) -> str:
        return f"http://{HOST}:{self.google_port}"

    @property
    def stripe_url(self) -> str:
        return f"http://{HOST}:{self.stripe_port}"

    @property
    def ai_url(self) -> str:
        return f"http://{HOST}:{self.ai_port}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """One file per running part: its pid and when that process was created."""
        return self.state / "run"

    @property
    def temporary(self) -> Path:
        """The parts' temporary files: a directory for each, empty when it starts."""
        return self.state / "tmp"

    @property
    def storage(self) -> Path:
        """What clients uploaded."""
        return self.state / "storage"

    @property
    def stripe_state(self) -> Path:
        """What the Stripe simulator remembers."""
        return self.state / "stripe"

    @property
    def env_file(self) -> Path:
        return self.state / "stack.env"


def _read(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""


def _live_ai(env: Mapping[str, str], port: int) -> dict[str, str]:
    """Calls that cost money are made only where somebody asked for them in so many words."""
    wanted = env.get("GROUNDWORK_AI") or "sim"
    if wanted == "sim":
        return {}
    if wanted != "live":
        raise StackError(f"GROUNDWORK_AI is {wanted!r}, but it has to be sim or live.")
    given = {name: env[name] for name in PROVIDER_VARIABLES if env.get(name)}
    if not any(name in given for name in PROVIDER_KEYS):
        raise StackError(f"GROUNDWORK_AI=live needs a key: {' or '.join(PROVIDER_KEYS)}.")
    if any(f":{port + 9}/" in value for value in given.values()):
        raise StackError(
            "GROUNDWORK_AI=live, but the environment names the stand-in: unset what stack.env has set, "
            f"{', '.join(PROVIDER_VARIABLES)}, and set your own keys."
        )
    return given


def _port(text: str) -> int:
    highest = 65535 - PORTS_PER_STACK
    if text.isdecimal() and 1024 <= int(text) <= highest:
        return int(text)
    raise StackError(
        f"GROUNDWORK_PORT is {text!r}, but it has to be a number from 1024 to {highest}: "
        f"the first of the {PORTS_PER_STACK} ports that the stack may use."
    )
