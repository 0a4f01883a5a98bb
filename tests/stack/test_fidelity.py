"""The local database behaves like a hosted Supabase project before its first migration."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from scripts.stack.database import prepare
from scripts.stack.stack import Stack

CLAIMS = '{"sub": "00000000-0000-4000-8000-000000000009", "role": "authenticated", "email": "a@example.com"}'


@pytest.fixture(scope="module")
def untouched(local_stack: Stack) -> Iterator[str]:
    """The name of a database without migrations."""
    with psycopg.connect(local_stack.superuser_url(), autocommit=True) as connection:
        connection.execute("create database untouched")
        prepare(local_stack.superuser_url("untouched"))
        yield "untouched"
        connection.execute("drop database untouched (force)")


@pytest.fixture
def developer(local_stack: Stack, untouched: str) -> Iterator[psycopg.Connection]:
    """As migrations run: logged in as postgres. Nothing is committed."""
    with psycopg.connect(local_stack.url("postgres", untouched)) as connection:
        yield connection
        connection.rollback()


def test_migrations_run_without_superuser_rights(developer: psycopg.Connection) -> None:
    row = developer.execute("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
    assert row.fetchone() == (False, True)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize("privilege", ["select", "insert", "update", "delete"])
def test_new_tables_are_granted_to_api_roles(
    developer: psycopg.Connection, role: str, privilege: str
) -> None:
    developer.execute("create table public.notes ()")
    granted = developer.execute("select has_table_privilege(%s, 'public.notes', %s)", [role, privilege])
    assert granted.fetchone() == (True,)


def test_auth_can_be_referred_to_and_triggered_on_but_not_built_in(developer: psycopg.Connection) -> None:
    developer.execute("create table public.notes (user_id uuid references auth.users (id))")
    developer.execute(
        """
        create function public.greet() returns trigger language plpgsql as 'begin return new; end';
        create trigger greet after insert on auth.users for each row execute function public.greet()
        """
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        developer.execute("create table auth.mine ()")


def test_extensions_live_in_their_schema(developer: psycopg.Connection) -> None:
    digest = developer.execute(
        "select extensions.digest('', 'sha256') is not null, extensions.uuid_generate_v4()"
    )
    assert digest.fetchone() is not None


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_the_data_api_can_become_each_api_role(local_stack: Stack, untouched: str, role: str) -> None:
    with psycopg.connect(local_stack.url("authenticator", untouched)) as connection:
        connection.execute(f"set local role {role}".encode())
        assert connection.execute("select current_user").fetchone() == (role,)


def test_auth_functions_read_the_claims_of_the_transaction(developer: psycopg.Connection) -> None:
    question = "select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'sub'"
    assert developer.execute(question).fetchone() == (None, None, None, None)
    developer.execute("select set_config('request.jwt.claims', %s, true)", [CLAIMS])
    user = "00000000-0000-4000-8000-000000000009"
    assert developer.execute(question).fetchone() == (user, "authenticated", "a@example.com", user)


def test_ddl_tells_the_data_api_to_reload(local_stack: Stack, untouched: str) -> None:
    with psycopg.connect(local_stack.url("authenticator", untouched), autocommit=True) as listener:
        listener.execute("listen pgrst")
        with psycopg.connect(local_stack.url("postgres", untouched), autocommit=True) as developer:
            developer.execute("create table public.announced ()")
            developer.execute("drop table public.announced")
        notification = next(listener.notifies(timeout=5, stop_after=1))
    assert notification.payload == "reload schema"


def test_preparing_twice_changes_nothing(local_stack: Stack, untouched: str) -> None:
    prepare(local_stack.superuser_url(untouched))
    with psycopg.connect(local_stack.superuser_url(untouched)) as connection:
        assert connection.execute("select count(*) from auth.users").fetchone() == (0,)
