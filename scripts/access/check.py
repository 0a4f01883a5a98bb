"""Whether policy files, migrations and a database say the same."""

from pathlib import Path

import psycopg

from scripts.access.equality import differences
from scripts.access.history import is_sealed, replay
from scripts.access.migration import read
from scripts.access.policy_rules import load
from scripts.access.stamp import changes
from scripts.access.strays import strays_in


def check_files(policies: Path, migrations: Path) -> list[str]:
    """Every way in which the migrations differ from what the policy files would give."""
    history = read(migrations)
    edited = [m.path.name for m in history if m.is_stamped and not is_sealed(m)]
    outdated = [change.path for change in changes(load(policies), replay(history))]
    return [
        *(f"{name}: edited by hand; edit the policy file and stamp" for name in edited),
        *(f"{path}: differs from its last stamp" for path in outdated),
        *strays_in([migration.path for migration in history if not migration.is_stamped]),
    ]


def check_database(policies: Path, database_url: str) -> list[str]:
    """How that database's access differs from the policy files; takes locks, changes nothing."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set local lock_timeout = '5s'")
        return differences(connection, load(policies).values())
