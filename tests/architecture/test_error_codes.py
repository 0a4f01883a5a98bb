"""Whatever SQL raises is in the catalogue: a misspelt code would leave as an internal error."""

import re
from collections.abc import Iterable

import psycopg

from scripts.access.layout import ROOT

MIGRATIONS = ROOT / "supabase" / "migrations"


def _raised(texts: Iterable[str]) -> set[str]:
    return {code for text in texts for code in re.findall(r"core\.fail\(\s*'(\w+)'", text)}


def test_every_code_that_migrations_raise_is_in_the_catalogue(database_url: str) -> None:
    raised = _raised(path.read_text() for path in MIGRATIONS.glob("*.sql"))
    with psycopg.connect(database_url) as connection:
        catalogue = {code for (code,) in connection.execute("select code from core.errors")}
    assert "invalid_state" in raised
    assert raised <= catalogue


def test_a_misspelt_code_is_found() -> None:
    assert _raised(["perform core.fail(\n    'too_silly', 'hint');"]) == {"too_silly"}
