"""A migrated database that lives as long as one command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from scripts.stack import interrupts
from scripts.stack.database import migrate
from scripts.stack.ports import free_port_base
from scripts.stack.settings import Settings
from scripts.stack.stack import Stack


@contextmanager
def migrated_database() -> Iterator[str]:
    """The URL, as `postgres`, of a database that has this checkout's migrations and no data.

    A signal that ends the command ends the database too.
    """
    interrupts.install()
    stack = Stack(Settings(state=Path(mkdtemp(prefix="groundwork-")), port=free_port_base()))
    try:
        stack.up(("postgres",), migrations=False)
        migrate(stack.env["DATABASE_URL"], seed=False)
        yield stack.env["DATABASE_URL"]
    except interrupts.Interrupted:
        sys.exit("Interrupted.")
    finally:
        stack.destroy()
