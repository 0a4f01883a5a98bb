"""A second implementation of the log's verification, written from the documented encoding alone.

It shares nothing with the SQL but the description: it reads text from the two tables and hashes it.
"""

from __future__ import annotations

import struct
from hashlib import sha256

import psycopg

ROWS = """
    select id::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), transaction_id::text,
        database_role, user_id::text, actor, request_id, table_name, row_key, action, changes::text
    from audit.log
"""

SEALS = """
    select id, to_char(sealed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), previous_hash,
        through_transaction::text, through_id, row_ids, row_hashes, hash
    from audit.seals order by id
"""


def field(value: str | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value.encode()
    return struct.pack(">I", len(data)) + data


def row_bytes(row: tuple[str | None, ...]) -> bytes:
    return b"".join(map(field, row))


def verify(database_url: str) -> bytes | None:
    """The head of the chain; raises AssertionError at the first thing that is not as it was sealed."""
    with psycopg.connect(database_url) as connection:
        rows = {
            (int(row[2]), int(row[0])): sha256(row_bytes(row)).digest() for row in connection.execute(ROWS)
        }
        seals = connection.execute(SEALS).fetchall()
    previous: bytes | None = None
    after = (0, 0)
    for number, seal in enumerate(seals, start=1):
        seal_id, sealed_at, previous_hash, through_transaction, through_id, row_ids, row_hashes, seal_hash = (
            seal
        )
        assert (seal_id, previous_hash) == (number, previous)
        content = [
            str(seal_id),
            sealed_at,
            previous.hex() if previous else None,
            through_transaction,
            str(through_id),
            ",".join(map(str, row_ids)),
        ]
        assert seal_hash == sha256(b"".join(map(field, content)) + row_hashes).digest()
        through = (int(through_transaction), through_id)
        covered = sorted(place for place in rows if after < place <= through)
        assert [row_id for _, row_id in covered] == row_ids
        assert b"".join(rows[place] for place in covered) == row_hashes
        previous, after = seal_hash, through
    return previous
