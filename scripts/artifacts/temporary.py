"""A migrated database that lives as long as one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.stack.database import migrate
from scripts.stack.ports import free_port_base
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack


@contextmanager
def migrated_database() -> Iterator[str]:
    """The URL, as `postgres`, of a database that has this checkout's migrations and no data."""
    with TemporaryDirectory(prefix="groundwork-") as state:
        stack = Stack(Settings(state=Path(state), port=free_port_base()))
        stack.up(("postgres",), migrations=False)
        try:
            migrate(stack.env["DATABASE_URL"], seed=False)
            yield stack.env["DATABASE_URL"]
        finally:
            stack.down()
