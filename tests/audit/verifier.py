"""A second implementation of the log's verification, written from the documented encoding alone.

It shares nothing with the SQL but the description: it reads text from the two tables and hashes it. Which
months are not there, it says in its result, as audit.verify does.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from dataclasses import field as dataclass_field
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

PARTITIONS = "select inhrelid::regclass::text from pg_inherits where inhparent = 'audit.log'::regclass"

Place = tuple[int, int]


@dataclass
class Retirement:
    """What one row of the log says about a month that is gone, and what the seals say to that."""

    place: Place
    partition: str
    rows: int
    ids: set[int]
    from_seal: int
    through_seal: int
    digest: str
    hashes: dict[int, bytes] = dataclass_field(default_factory=dict)
    sealed_in: int | None = None

    @classmethod
    def read(cls, row: tuple[str | None, ...]) -> Retirement:
        said = json.loads(row[10] or "")
        assert isinstance(said, dict), "a retirement that says nothing"
        assert {"partition", "rows", "ids", "from_seal", "through_seal", "digest", "at", "by"} <= said.keys()
        month = re.fullmatch(r"log_(\d{4}_(?:0[1-9]|1[0-2]))", said["partition"])
        assert month
        assert re.fullmatch(r"\d{4}-.*Z", said["at"])
        assert row[1]
        assert month[1] < said["at"][:7].replace("-", "_")
        assert said["at"] <= row[1]
        assert said["by"]
        assert re.fullmatch(r"\{(\[\d+,\d+\),?)*\}", said["ids"])
        ranges = re.findall(r"\[(\d+),(\d+)\)", said["ids"])
        return cls(
            (int(row[2] or ""), int(row[0] or "")),
            said["partition"],
            said["rows"],
            {row_id for lower, upper in ranges for row_id in range(int(lower), int(upper))},
            said["from_seal"] or 0,
            said["through_seal"] or 0,
            said["digest"],
        )

    def missing(self, seal_id: int, row_ids: list[int], row_hashes: bytes) -> set[int]:
        """Take note of the seal that a row may be missing from; returns which."""
        if not self.from_seal <= seal_id <= self.through_seal:
            return set()
        retired = [
            (row_id, row_hashes[32 * n : 32 * n + 32])
            for n, row_id in enumerate(row_ids)
            if row_id in self.ids
        ]
        if retired:
            self.hashes[seal_id] = sha256(b"".join(row_hash for _, row_hash in retired)).digest()
        self.rows -= len(retired)
        self.ids -= {row_id for row_id, _ in retired}
        return {row_id for row_id, _ in retired}

    def check(self) -> None:
        assert not self.rows
        assert not self.ids
        assert self.digest == sha256(b"".join(self.hashes.values())).hexdigest()
        assert self.sealed_in is not None
        assert self.sealed_in > self.through_seal


def field(value: str | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value.encode()
    return struct.pack(">I", len(data)) + data


def row_bytes(row: tuple[str | None, ...]) -> bytes:
    return b"".join(map(field, row))


def verify(database_url: str) -> tuple[bytes | None, list[str]]:
    """The head of the chain and the retired partitions; an error at the first thing that is not as sealed."""
    with psycopg.connect(database_url) as connection:
        entries = connection.execute(ROWS).fetchall()
        seals = connection.execute(SEALS).fetchall()
        attached = {name.removeprefix("audit.") for (name,) in connection.execute(PARTITIONS)}
    rows = {(int(row[2]), int(row[0])): sha256(row_bytes(row)).digest() for row in entries}
    retirements = [Retirement.read(row) for row in entries if (row[7], row[9]) == (None, "retire_month")]
    partitions = sorted(retirement.partition for retirement in retirements)
    assert len(set(partitions)) == len(partitions)
    assert not attached.intersection(partitions)
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
        missing: set[int] = set()
        for retirement in retirements:
            missing |= retirement.missing(seal_id, row_ids, row_hashes)
            if after < retirement.place <= through:
                retirement.sealed_in = seal_id
        covered = sorted(place for place in rows if after < place <= through)
        assert [row_id for _, row_id in covered] == [row_id for row_id in row_ids if row_id not in missing]
        assert [rows[place] for place in covered] == [
            row_hashes[32 * n : 32 * n + 32] for n, row_id in enumerate(row_ids) if row_id not in missing
        ]
        previous, after = seal_hash, through
    for retirement in retirements:
        retirement.check()
    return previous, partitions
