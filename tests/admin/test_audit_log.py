"""Admins read the log page by page; nobody else does."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from tests.acting import Person, World, refused


@pytest.fixture
def admin(world: World) -> Person:
    admin = world.person("root")
    world.as_dba("update public.profiles set role = 'admin' where id = %s", admin.id)
    return admin


def _ids(person: Person, arguments: str = "", *parameters: Any) -> list[int]:
    rows = person.rows(f"select * from admin_audit_log({arguments})", *parameters)  # noqa: S608
    return [row["id"] for row in rows]


def test_only_admins_as_the_database_knows_them(world: World, admin: Person) -> None:
    ada = world.person("ada")
    assert _ids(admin)
    with refused("forbidden"):
        ada.rows("select * from admin_audit_log()")
    for caller in (world.anon, world.service):
        with refused("42501"):
            caller.rows("select * from admin_audit_log()")
    with refused("42501"):
        admin.rows("select * from admin.audit_log(null, null, null, null, null, null, null, null, 1)")
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", ada.id)
    assert _ids(ada)
    world.as_dba("update public.profiles set role = 'user' where id = %s", admin.id)
    with refused("forbidden"):
        admin.rows("select * from admin_audit_log()")


def test_pages_are_bounded_newest_first_and_meet_without_gap(world: World, admin: Person) -> None:
    world.as_dba("select audit.record('work') from generate_series(1, 120)")
    everything = _ids(admin, "max_rows => 500")
    assert everything == sorted(everything, reverse=True)
    assert len(everything) > 120
    assert _ids(admin) == everything[:50]
    paged: list[int] = []
    while page := _ids(admin, "before => %s, max_rows => 7", paged[-1] if paged else None):
        assert len(page) <= 7
        paged += page
        world.as_dba("select audit.record('meanwhile')")
    assert paged == everything
    for bad in (0, -1, 501, None):
        with refused("validation_failed", field="max_rows"):
            _ids(admin, "max_rows => %s", bad)


def test_filters_narrow(world: World, admin: Person) -> None:
    ada = world.person("ada")
    project: uuid.UUID = ada.row("insert into projects (name) values ('A') returning id")["id"]
    ada.rows("update projects set name = 'B'")
    world.as_dba("select audit.act_as('worker'), audit.record('export', '{\"rows\": 3}')")

    def read(arguments: str, *parameters: Any) -> list[tuple[str | None, str]]:
        query = f"select * from admin_audit_log({arguments})"  # noqa: S608
        return [(row["table_name"], row["action"]) for row in admin.rows(query, *parameters)]

    both = [("public.projects", "update"), ("public.projects", "insert")]
    assert read("table_name => 'public.projects'") == both
    assert read("row_key => %s", str(project)) == both
    assert read("user_id => %s", ada.id) == both
    assert read("user_id => %s, action => 'insert'", ada.id) == both[1:]
    assert read("actor => 'worker'") == [(None, "export")]
    assert read("action => 'export'") == [(None, "export")]
    assert read("since => now()") == []
    assert read("until => now() - interval '1 hour'") == []
    assert read("table_name => 'public.projects', since => now() - interval '1 hour', until => now()") == both
    assert read("table_name => 'public.nothing'") == []


FILTERS = {
    "before => 90000": "log_pkey",
    "table_name => 'public.rare'": "log_by_row",
    "row_key => 'r500'": "log_by_row",
    "user_id => '00000000-0000-4000-8000-000000000500'": "log_by_user",
    "actor => 'rare'": "log_by_actor",
    "action => 'rare_action'": "log_by_recorded_action",
}


def test_every_filter_finds_its_rows_by_an_index_of_each_month(world: World, admin: Person) -> None:
    """By what was read of the month in which 100,000 rows are, not by time."""
    with psycopg.connect(world.superuser_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("""
            insert into audit.log (database_role, table_name, row_key, user_id, actor, action, changes)
            select 'postgres', case i when 9 then 'public.rare' when 8 then null else 'public.common' end,
                'r' || i, ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
                case i when 7 then 'rare' end, case i when 8 then 'rare_action' else 'update' end, '{}'
            from generate_series(1, 100000) as i
        """)
        connection.execute(
            "insert into audit.tracked_tables values ('public.common', '{}', '{}', '{}', '{}')"
        )
        connection.execute("analyze audit.log")
    for arguments, index in FILTERS.items():
        limit = 1 if arguments.startswith("before") else 50
        with psycopg.connect(world.database_url) as connection:
            connection.execute(
                "select set_config('request.jwt.claims', %s, true)", [json.dumps(admin.claims)]
            )
            rows = connection.execute(
                f"select id from admin_audit_log({arguments}, max_rows => {limit})"  # noqa: S608
            ).fetchall()
            assert len(rows) == 1
            used = connection.execute(
                "select sum(s.seq_tup_read) from pg_stat_xact_user_tables as s where s.schemaname = 'audit'"
            ).fetchone()
            scans = connection.execute(
                "select count(*) from pg_index as i join pg_inherits as p on p.inhrelid = i.indexrelid"
                " where p.inhparent = to_regclass('audit.' || %s)"
                " and pg_stat_get_xact_numscans(i.indexrelid) > 0",
                [index],
            ).fetchone()
        assert used
        assert scans
        assert used[0] < 1000, f"{arguments} read the month"
        assert scans[0] > 0, f"{arguments} does not use {index}"
