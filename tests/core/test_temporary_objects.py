"""Definer functions look for types in pg_temp first: callers must not be able to put any there."""

import psycopg
import pytest


@pytest.mark.parametrize("login", ["EDGE_DATABASE_URL", "AUTHENTICATOR_DATABASE_URL"])
def test_logins_that_only_call_functions_make_no_temporary_objects(stack: dict[str, str], login: str) -> None:
    with psycopg.connect(stack[login]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("create temporary table text (x int)")
