"""The whole stack: all its parts, the database in between, and what clients need to know."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from scripts.stack import database
from scripts.stack.auth import site_url
from scripts.stack.errors import StackError
from scripts.stack.lock import exclusive
from scripts.stack.narrator import Narrator, Silent
from scripts.stack.parts import DECLARATIONS, Context, Part, stand_in_ai
from scripts.stack.postgres import Postgres
from scripts.stack.runner import Runner, Status
from scripts.stack.secrets import Secrets, write_private
from scripts.stack.settings import Settings

ALL_PARTS = tuple(DECLARATIONS)
NEEDED_BYTES = 300 * 1024**2


class Stack:
    """A stack of these settings; any number can run side by side with other state directories and ports."""

    def __init__(self, settings: Settings, narrator: Narrator | None = None) -> None:
        self.settings = settings
        self._narrator = narrator or Silent()
        self._runner = Runner(settings, self._narrator)

    def up(self, names: Sequence[str] = ALL_PARTS, *, migrations: bool = True) -> None:
        """Start what does not run, migrate and seed, wait until every part answers, write `stack.env`.

        If anything fails, what this call started is stopped again.
        """
        with self._exclusively():
            self._up(names, migrations)

    def down(self) -> bool:
        """Stop every part, whatever its declaration has become; data stays. False if none ran."""
        with self._exclusively():
            return self._runner.stop(ALL_PARTS)

    def reset(self) -> None:
        """Drop database, uploads and the simulator's payments, then start everything."""
        with self._exclusively():
            self._runner.stop(ALL_PARTS)
            self._postgres.drop()
            for directory in (self.settings.storage, self.settings.stripe_state):
                shutil.rmtree(directory, ignore_errors=True)
            self._narrator.done("database, uploads and payments dropped")
            self._up(ALL_PARTS, migrations=True)

    def destroy(self) -> None:
        """Stop every part and remove all that the stack keeps, its state directory included."""
        self.down()
        self._postgres.drop()
        shutil.rmtree(self.settings.state)

    def status(self) -> list[Status]:
        """How every part is now."""
        return [self._runner.status(part) for part in self._declared(ALL_PARTS)]

    @property
    def data(self) -> Path:
        """Where Postgres keeps its data: in the state directory if Postgres can reach that."""
        return self._postgres.data

    def url(self, role: str, dbname: str = "postgres") -> str:
        """The URL with which this login role reaches this database."""
        return self._postgres.url(role, dbname)

    def superuser_url(self, dbname: str = "postgres") -> str:
        """The URL of this database for `supabase_admin`."""
        return self.url("supabase_admin", dbname)

    @cached_property
    def env(self) -> dict[str, str]:
        """What a client, a test or a service needs to use this stack: the content of `stack.env`."""
        settings, secrets, url = self.settings, self._secrets, self._postgres.url
        return {
            "SUPABASE_URL": settings.supabase_url,
            "SUPABASE_ANON_KEY": secrets.api_key("anon"),
            "SUPABASE_SERVICE_ROLE_KEY": secrets.api_key("service_role"),
            "SUPABASE_JWT_SECRET": secrets.jwt_secret,
            "SUPABASE_JWKS_URL": f"{settings.supabase_url}/auth/v1/.well-known/jwks.json",
            "DATABASE_URL": url("postgres"),
            "EDGE_DATABASE_URL": url("edge_service"),
            "AUTHENTICATOR_DATABASE_URL": url("authenticator"),
            "EDGE_URL": settings.edge_url,
            "MAIL_URL": settings.mail_url,
            "SMTP_URL": settings.smtp_url,
            "MAIL_FROM": "Groundwork <noreply@localhost>",
            "SITE_URL": site_url(settings),
            "GOOGLE_URL": settings.google_url,
            "STRIPE_API_BASE": settings.stripe_url,
            "STRIPE_SECRET_KEY": secrets.stripe("sk_test"),
            "STRIPE_WEBHOOK_SECRET": secrets.stripe("whsec"),
            "AI_URL": settings.ai_url,
            **(settings.live_ai or stand_in_ai(settings, secrets)),
        }

    @cached_property
    def _secrets(self) -> Secrets:
        self._make_directories()
        return Secrets.load(self.settings.state)

    @cached_property
    def _postgres(self) -> Postgres:
        return Postgres(self.settings, self._secrets)

    def _declared(self, names: Sequence[str]) -> list[Part]:
        """The parts of these names as they would be started now."""
        context = Context(self.settings, self._secrets, self._postgres, self.env)
        return [declare(context) for name, declare in DECLARATIONS.items() if name in names]

    def _up(self, names: Sequence[str], migrations: bool) -> None:
        self._require_room()
        parts = self._declared(names)
        with self._runner.all_or_nothing(parts) as missing:
            if any(part.name == "postgres" for part in missing):
                self._narrator.doing("preparing the database server")
                self._postgres.make_ready()
            self._runner.start([part for part in missing if not part.needs_database])
            if "postgres" in names:
                self._make_database(migrations)
            self._runner.start([part for part in missing if part.needs_database])
            variables = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
            write_private(self.settings.env_file, "\n".join(variables))
            self.settings.remember_port()

    def _make_database(self, migrations: bool) -> None:
        superuser_url = self.superuser_url()
        database.bootstrap(superuser_url)
        database.prepare(superuser_url)
        database.set_passwords(superuser_url, self._secrets.passwords)
        if migrations:
            self._narrator.doing("applying migrations")
            database.migrate(self._postgres.url("postgres"), seed=True, project=self.settings.project)
            database.set_passwords(superuser_url, self._secrets.passwords)
            self._narrator.done("migrations applied")

    def _require_room(self) -> None:
        free = shutil.disk_usage(self.settings.state).free
        if free < NEEDED_BYTES:
            raise StackError(
                f"The disk of {self.settings.state} has {free // 1024**2} MB free; the stack needs "
                f"{NEEDED_BYTES // 1024**2} MB. Free some space, or choose a directory on another disk: "
                "GROUNDWORK_STATE=… make up"
            )

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        self._make_directories()
        waiting = partial(self._narrator.doing, "waiting for another command on this stack")
        with exclusive(self.settings.state / "lock", waiting):
            yield

    def _make_directories(self) -> None:
        state = self.settings.state
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if state.stat().st_uid != os.geteuid():
            raise StackError(
                f"{state} belongs to another user, who may have a stack running in it. "
                "Run the command as that user, or choose another directory: GROUNDWORK_STATE=… make up"
            )
        if not any(state.iterdir()):
            (state / ".gitignore").write_text("*\n")  # wherever the directory is, it holds secrets
        settings = self.settings
        for directory in (settings.logs, settings.run, settings.storage, settings.temporary):
            directory.mkdir(exist_ok=True)
