"""Where everything is kept: JSON documents in memory, each transaction written to SQLite before it counts.

A transaction that was acknowledged survives kill -9; one that failed leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

Document = dict[str, Any]
Change = tuple[str, str, Document | None]

INDEXED = frozenset(
    {
        "customer",
        "product",
        "charge",
        "payment_intent",
        "subscription",
        "invoice",
        "parent",
        "event",
        "lookup",
    }
)
"""References to other documents; they never change once they are set."""


class Store:
    """Documents by kind and key, in the order in which they were made."""

    def __init__(self, path: Path | None = None) -> None:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.execute(
            "create table if not exists documents ("
            "kind text, key text, position integer, body blob, primary key (kind, key)) without rowid"
        )
        self._kinds: dict[str, dict[str, bytes]] = {}
        self._index: dict[tuple[str, str, str], dict[str, None]] = {}
        self._seen: dict[tuple[str, str], Document | None] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._position = 0
        self._read()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is saved inside is kept, or nothing of it."""
        try:
            yield
            self._write()
        finally:
            self._seen.clear()
            self._changed.clear()

    def find(self, kind: str, key: str) -> Document | None:
        """The document, the same object throughout a transaction; change it, then `save` it."""
        place = (kind, key)
        if place not in self._seen:
            body = self._kinds.get(kind, {}).get(key)
            self._seen[place] = msgspec.json.decode(body) if body else None
        return self._seen[place]

    def save(self, kind: str, key: str, document: Document) -> Document:
        """Keep this document as it will be when the transaction ends."""
        self._seen[kind, key] = document
        self._changed[kind, key] = None
        return document

    def remove(self, kind: str, key: str) -> None:
        self._seen[kind, key] = None
        self._changed[kind, key] = None

    def all(self, kind: str, **references: str) -> list[Document]:
        """The documents of a kind, oldest first; only those with these references, if any are given."""
        kept = self.keys(kind, **references)
        new = [
            key for changed, key in self._changed if changed == kind and key not in self._kinds.get(kind, {})
        ]
        found = [document for key in [*kept, *new] if (document := self.find(kind, key))]
        return [item for item in found if all(_mentions(item, name) == v for name, v in references.items())]

    def keys(self, kind: str, **references: str) -> list[str]:
        """The keys of what is stored, oldest first; what this transaction changes is not regarded."""
        kept = self._kinds.get(kind, {})
        if not references:
            return [*kept]
        places = [self._index.get((kind, name, value), {}) for name, value in references.items()]
        return [key for key in places[0] if key in kept and all(key in place for place in places)]

    def clear(self) -> None:
        """Forget everything."""
        self._database.execute("delete from documents")
        self._kinds.clear()
        self._index.clear()
        self._seen.clear()
        self._changed.clear()

    def close(self) -> None:
        self._database.close()

    def _read(self) -> None:
        rows = self._database.execute("select kind, key, position, body from documents order by position")
        for kind, key, position, body in rows:
            self._position = position
            self._keep(kind, key, body, msgspec.json.decode(body))

    def _write(self) -> None:
        changes = [(kind, key, self._seen[kind, key]) for kind, key in self._changed]
        if not changes:
            return
        bodies = [msgspec.json.encode(document) if document else None for _, _, document in changes]
        with self._written():
            self._write_all(changes, bodies)
        for (kind, key, document), body in zip(changes, bodies, strict=True):
            if body is None or document is None:
                self._kinds.get(kind, {}).pop(key, None)
            else:
                self._keep(kind, key, body, document)

    @contextmanager
    def _written(self) -> Iterator[None]:
        self._database.execute("begin")
        try:
            yield
            self._database.execute("commit")
        except BaseException:
            self._database.execute("rollback")
            raise

    def _write_all(self, changes: Sequence[Change], bodies: Sequence[bytes | None]) -> None:
        for (kind, key, _), body in zip(changes, bodies, strict=True):
            if body is None:
                self._database.execute("delete from documents where kind = ? and key = ?", (kind, key))
                continue
            self._position += 1
            self._database.execute(
                "insert into documents values (?, ?, ?, ?) on conflict do update set body = excluded.body",
                (kind, key, self._position, body),
            )

    def _keep(self, kind: str, key: str, body: bytes, document: Mapping[str, Any]) -> None:
        self._kinds.setdefault(kind, {})[key] = body
        for name in INDEXED:
            if value := _mentions(document, name):
                self._index.setdefault((kind, name, value), {})[key] = None


def _mentions(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None
