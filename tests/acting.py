"""Acting on a database as the Data API does: as a named person, through the real API roles."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import DictRow

from tests.connections import connected

Row = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """Somebody with a token: each statement runs in its own transaction under this role and these claims."""

    authenticator_url: str
    role: str
    claims: Row

    @contextmanager
    def transaction(
        self, isolation: psycopg.IsolationLevel | None = None
    ) -> Iterator[psycopg.Connection[DictRow]]:
        """One connection in one open transaction, committed at the end: for races."""
        with connected(self.authenticator_url) as connection:
            connection.isolation_level = isolation
            connection.execute("select set_config('role', %s, true)", [self.role])
            connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(self.claims)])
            yield connection

    def rows(self, query: LiteralString, *parameters: object) -> list[Row]:
        """The rows of a statement; raises the database's error."""
        with self.transaction() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def row(self, query: LiteralString, *parameters: object) -> Row:
        """The only row of a statement."""
        (row,) = self.rows(query, *parameters)
        return row

    def count(self, query: LiteralString, *parameters: object) -> int:
        """How many rows a writing statement touched."""
        with self.transaction() as connection:
            return connection.execute(query, parameters).rowcount


@dataclass(frozen=True)
class Person(Caller):
    """A signed-up user."""

    id: uuid.UUID
    email: str


@dataclass(frozen=True)
class World:
    """A migrated database of its own, the callers of its API, and the services beside it."""

    superuser_url: str
    database_url: str
    authenticator_url: str

    @property
    def anon(self) -> Caller:
        return Caller(self.authenticator_url, "anon", {"role": "anon"})

    @property
    def service(self) -> Caller:
        return Caller(self.authenticator_url, "service_role", {"role": "service_role"})

    def person(self, name: str, *, confirmed: bool = True, metadata: Row | None = None) -> Person:
        """Sign somebody up as the auth service does."""
        user_id, email = uuid.uuid4(), f"{name}@example.com"
        self.as_auth_service(
            "insert into auth.users (id, aud, role, email, email_confirmed_at, raw_user_meta_data)"
            " values (%s, 'authenticated', 'authenticated', %s, case when %s then now() end, %s)",
            user_id, email, confirmed, json.dumps(metadata or {}),
        )  # fmt: skip
        claims = {"sub": str(user_id), "role": "authenticated", "email": email, "aud": "authenticated"}
        return Person(self.authenticator_url, "authenticated", claims, id=user_id, email=email)

    def as_auth_service(self, query: LiteralString, *parameters: object) -> list[Row]:
        """A statement of the auth service."""
        with connected(self.superuser_url) as connection:
            connection.execute("set local role supabase_auth_admin")
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def as_dba(self, query: LiteralString, *parameters: object) -> list[Row]:
        """A statement of whoever runs migrations: arranges what no client can, looks behind policies."""
        with connected(self.database_url) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def refused(code: str, **detail: object) -> Iterator[None]:
    """Expect this code of the catalogue (or SQLSTATE), and these members of its JSON detail."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    error = caught.value
    said, details = error.diag.message_primary or "", error.diag.message_detail
    if error.sqlstate == "PGRST":  # the form of raise that sets headers
        message = json.loads(said)
        said, details = message["message"], message["details"]
    assert code in (said, error.sqlstate), f"{error.sqlstate} {said}"
    actual = json.loads(details or "{}") if detail else {}
    assert {key: actual.get(key) for key in detail} == detail
