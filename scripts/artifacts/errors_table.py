"""The table of ERRORS.md, from the catalogue that SQL raises from."""

from typing import Any

import psycopg

BEGIN = "<!-- errors: generated from core.errors by `make generate` -->"
END = "<!-- end of errors -->"


class MarkersMissingError(Exception):
    """The document does not say where the table goes."""


def errors_table(connection: psycopg.Connection[Any], document: str) -> str:
    """`document` with the table between its markers brought up to date."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissingError(
            f"ERRORS.md lacks its markers; put these lines where the table goes:\n{BEGIN}\n{END}"
        )
    rows = connection.execute("select code, http_status, meaning from core.errors order by http_status, code")
    lines = [
        f"| `{code}` | {status} | {meaning.replace('|', chr(92) + '|')} |" for code, status, meaning in rows
    ]
    table = "\n".join(["| code | HTTP | meaning |", "|---|---|---|", *lines])
    return f"{before}{begin}\n{table}\n{end}{after}"
