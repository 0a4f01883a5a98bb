"""Who did what, when; and no secrets."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.acting import World, refused
from tests.audit.log import NEWEST_FIRST, newest, seal_all, verdict
from tests.audit.verifier import verify
from tests.identity.organizations import found, invite, join


def test_a_clients_change_is_kept_with_person_request_and_difference(world: World) -> None:
    ada = world.person("ada")
    with ada.transaction() as connection:
        headers = json.dumps({"x-request-id": "req-1"})
        connection.execute("select set_config('request.headers', %s, true)", [headers])
        connection.execute("update public.profiles set name = 'Ada'")
        connection.execute("update public.profiles set name = 'Ada L.'")
    row = newest(world, "public.profiles")
    assert row | {"id": 0, "at": 0, "transaction_id": 0} == {
        "id": 0, "at": 0, "transaction_id": 0, "database_role": "authenticated", "user_id": ada.id,
        "actor": None, "request_id": "req-1", "table_name": "public.profiles", "row_key": str(ada.id),
        "action": "update", "changes": {"name": ["[secret]", "[secret]"]},
    }  # fmt: skip


def test_inserts_and_deletes_are_kept_too(world: World) -> None:
    ada = world.person("ada")
    project = ada.row("insert into projects (name, data) values ('Engine', '{\"a\": 1}') returning id")["id"]
    task = ada.row("insert into tasks (project_id, value) values (%s, 2.50) returning id", project)["id"]
    row = newest(world, "public.projects")
    assert (row["action"], row["row_key"]) == ("insert", str(project))
    assert row["changes"]["data"] == [None, "[secret]"]
    row = newest(world, "public.tasks")
    assert (row["row_key"], row["changes"]["value"]) == (str(task), [None, 2.50])
    assert "deleted_at" not in row["changes"], "what has no value is no difference"
    ada.rows("delete from projects")
    row = newest(world, "public.projects")
    assert (row["action"], list(row["changes"]), row["user_id"]) == ("update", ["deleted_at"], ada.id)
    world.as_dba("delete from public.tasks")
    row = newest(world, "public.tasks")
    assert (row["action"], row["database_role"], row["user_id"]) == ("delete", "postgres", None)
    assert row["changes"]["status"] == ["todo", None]
    world.as_dba("truncate public.tasks")
    assert newest(world, "public.tasks")["action"] == "truncate"


def test_what_definer_functions_write_is_the_callers_doing(world: World) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    organization = found(ada)
    join(ada, organization, bob, "member")
    row = newest(world, "public.memberships")
    assert (row["database_role"], row["user_id"]) == ("authenticated", bob.id)
    assert row["row_key"] == f"{organization}/{bob.id}"


def test_services_name_themselves(world: World) -> None:
    world.person("ada")
    world.service.rows("insert into projects (user_id, name) select id, 'Import' from profiles")
    row = newest(world, "public.projects")
    assert (row["database_role"], row["user_id"], row["actor"]) == ("service_role", None, None)
    with world.service.transaction() as connection:
        connection.execute("select set_config('audit.actor', 'importer', true)")
        connection.execute("update projects set name = 'Imported'")
    assert newest(world, "public.projects")["actor"] == "importer"
    row = world.as_dba(NEWEST_FIRST, "public.profiles")[0]
    assert row["database_role"] == "supabase_auth_admin", "sign-ups are Auth's doing"


def test_a_malformed_subject_stops_no_write(world: World) -> None:
    world.person("ada")
    with psycopg.connect(world.database_url) as connection:
        connection.execute("""select set_config('request.jwt.claims', '{"sub": "worker-7"}', true)""")
        connection.execute("update public.profiles set name = 'Ada'")
    assert newest(world, "public.profiles")["user_id"] is None


def test_a_statement_writes_a_row_for_each_row_and_none_for_nothing(world: World) -> None:
    world.person("ada")
    world.as_dba(
        "insert into public.projects (user_id, name) select p.id, 'Parent' from public.profiles as p"
    )
    world.as_dba(
        "insert into public.tasks (project_id, value)"
        " select p.id, i from public.projects as p, generate_series(1, 1000) as i"
    )
    before = len(world.as_dba(NEWEST_FIRST, "public.tasks"))
    assert before == 1000
    world.as_dba("update public.tasks set value = value, updated_at = now()")
    assert len(world.as_dba(NEWEST_FIRST, "public.tasks")) == before
    world.as_dba("update public.tasks set value = value + 1")
    rows = world.as_dba(NEWEST_FIRST, "public.tasks")
    assert len(rows) == before + 1000
    assert all(row["changes"]["value"][1] == row["changes"]["value"][0] + 1 for row in rows[:1000])


def test_what_is_rolled_back_never_happened(world: World) -> None:
    ada = world.person("ada")
    before = world.as_dba("select count(*) from audit.log")
    with ada.transaction() as connection:
        connection.execute("update profiles set name = 'Ada'")
        connection.rollback()
    assert world.as_dba("select count(*) from audit.log") == before


def test_secrets_and_addresses_never_enter_the_log(world: World) -> None:
    ada = world.person("ada")
    token = invite(ada, found(ada), "guest-of-ada@example.com")
    world.as_dba("update public.invitations set email = 'other@example.com'")
    assert newest(world, "public.invitations")["changes"] == {"email": ["[secret]", "[secret]"]}
    text = world.as_dba("select string_agg(l::text, ' ') as text from audit.log as l")[0]["text"]
    token_hash = world.as_dba("select encode(token_hash, 'hex') as h from identity.invitation_tokens")
    for secret in (token, token_hash[0]["h"], "guest-of-ada@example.com", ada.email, "other@example.com"):
        assert secret not in text


def test_whether_a_secret_was_there_is_shown(world: World) -> None:
    world.as_dba("create table public.vault (id int primary key, secret text)")
    world.as_dba("select audit.track('public.vault', key => '{id}', secret => '{secret}')")
    world.as_dba("insert into public.vault values (1), (2)")
    for value, expected in (("s1", [None, "[secret]"]), ("s2", ["[secret]"] * 2), (None, ["[secret]", None])):
        world.as_dba("update public.vault set secret = %s where id = 1", value)
        assert newest(world, "public.vault")["changes"] == {"secret": expected}


def test_a_changed_key_is_a_row_that_went_and_one_that_came(world: World) -> None:
    world.as_dba('create table public."odd ""one" (a int, "b c" json, "N" numeric, primary key (a))')
    world.as_dba("""select audit.track('public."odd ""one"', key => '{a}')""")
    world.as_dba("""insert into public."odd ""one" values (1, '{}', 1.0)""")
    world.as_dba("""update public."odd ""one" set "N" = 1.00""")
    assert newest(world, 'public.odd "one')["changes"] == {"N": [1, 1]}, "1.0 became 1.00"
    world.as_dba('update public."odd ""one" set a = 2')
    rows = world.as_dba(NEWEST_FIRST, 'public.odd "one')[:2]
    assert {(row["action"], row["row_key"]) for row in rows} == {("delete", "1"), ("insert", "2")}


def test_a_wide_row_is_kept_whole_with_the_nulls_inside_its_values(world: World) -> None:
    names = [f"c{number}" for number in range(130)]
    world.as_dba("""
        do $$ begin
            execute (
                select 'create table public.wide (id int primary key, j jsonb, empty text'
                    || string_agg(', c' || g || ' integer default 7', '') || ')'
                from generate_series(0, 129) as g
            );
        end $$
    """)
    world.as_dba("select audit.track('public.wide', key => '{id}')")
    world.as_dba('insert into public.wide (id, j) values (1, \'{"a": null, "b": [null]}\')')
    row = {"id": 1, "j": {"a": None, "b": [None]}} | dict.fromkeys(names, 7)
    assert newest(world, "public.wide")["changes"] == {name: [None, value] for name, value in row.items()}
    world.as_dba("delete from public.wide")
    assert newest(world, "public.wide")["changes"] == {name: [value, None] for name, value in row.items()}


def test_every_tracked_table_is_tracked_as_it_is_now(world: World) -> None:
    assert world.as_dba("select audit.outdated()") == []
    world.as_dba("alter table public.projects add column colour text")
    assert world.as_dba("select audit.outdated() as name") == [{"name": "public.projects"}]
    world.as_dba("select audit.track('public.projects', key => '{id}')")
    assert world.as_dba("select audit.outdated()") == []


@pytest.mark.parametrize(
    "arguments", ["key => '{}'", "key => '{name}'", "key => '{nothing}'", "key => '{id}', secret => '{id}'"]
)
def test_a_table_cannot_be_tracked_by_what_does_not_identify_a_row(world: World, arguments: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="key and secret have to be columns"):
        world.as_dba(f"select audit.track('public.profiles', {arguments})")


def test_actions_without_a_row_are_recorded(world: World) -> None:
    with psycopg.connect(world.database_url) as connection:
        connection.execute("select audit.act_as('worker')")
        connection.execute("select audit.record('daily_summary', %s)", [Jsonb({"sent": 3})])
    (row,) = world.as_dba("select * from audit.actions")
    assert (row["action"], row["actor"], row["detail"]) == ("daily_summary", "worker", {"sent": 3})
    for action in (None, "", "update", "Not Snake"):
        with refused("validation_failed", field="action"):
            world.as_dba("select audit.record(%s)", action)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
COLUMNS = {
    "label": st.none() | TEXT,
    "amount": st.none()
    | st.sampled_from(["NaN", "Infinity", "1.0", "1.00"])
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    "payload": st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc\u00e9\"\\", max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    "moment": st.none() | st.datetimes(),
}  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(before=st.fixed_dictionaries(COLUMNS), after=st.fixed_dictionaries(COLUMNS))
def test_any_change_is_written_sealed_and_verified_alike(
    world: World, before: dict[str, Any], after: dict[str, Any]
) -> None:
    with psycopg.connect(world.database_url) as connection:
        connection.execute("""
            create table if not exists public.things
            (id uuid primary key, label text, amount numeric, payload jsonb, moment timestamptz)
        """)
        connection.execute("select audit.track('public.things', key => '{id}')")
        row_id = uuid.uuid4()
        for values in (before, after):
            connection.execute(
                """
                insert into public.things values (%(id)s, %(label)s, %(amount)s, %(payload)s, %(moment)s)
                on conflict (id) do update set label = excluded.label, amount = excluded.amount,
                    payload = excluded.payload, moment = excluded.moment
                """,
                values | {"id": row_id, "payload": Jsonb(values["payload"])},
            )
        entry = connection.execute(
            "select to_jsonb(t), l.changes from public.things as t"
            " join audit.log as l on l.row_key = t.id::text where t.id = %s order by l.id desc limit 1",
            [row_id],
        ).fetchone()
        assert entry
        now, changes = entry
        assert {name: new for name, (_, new) in changes.items()} == {name: now[name] for name in changes}
    seal_all(world)
    assert verdict(world)["finding"] == "ok"
    assert (verdict(world)["head"], []) == verify(world.database_url)
