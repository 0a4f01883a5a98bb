"""The app's own tables: private to their user, or shared with one organization, and they stay there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from tests.acting import World, refused
from tests.identity.organizations import found, join

NEW = "insert into projects (name) values (%s) returning *"
SHARED = "insert into projects (name, organization_id) values (%s, %s) returning *"
TASK = "insert into tasks (project_id, title, value) values (%s, %s, %s) returning *"


def test_a_project_belongs_to_its_caller(world: World) -> None:
    ada = world.person("ada")
    project = ada.row(NEW, "Notes")
    assert (project["user_id"], project["organization_id"], project["data"]) == (ada.id, None, {})
    task = ada.row(TASK, project["id"], "Note G", "1.5")
    assert (task["user_id"], task["organization_id"], task["status"]) == (ada.id, None, "todo")
    assert ada.count("update tasks set status = 'done', value = 2 where id = %s", task["id"]) == 1


def test_members_work_on_shared_projects_until_they_leave(world: World) -> None:
    ada, grace = world.person("ada"), world.person("grace")
    organization = found(ada)
    join(ada, organization, grace, "member")
    project = grace.row(SHARED, "Shared", organization)
    task = ada.row(TASK, project["id"], "Review", 0)
    assert (task["user_id"], task["organization_id"]) == (ada.id, organization)
    assert grace.count("update tasks set title = 'Done' where id = %s", task["id"]) == 1
    ada.rows("select remove_member(%s, %s)", organization, grace.id)
    assert grace.rows("select * from projects") == []
    assert grace.rows("select * from tasks") == []
    assert grace.count("update projects set name = 'x' where id = %s", project["id"]) == 0
    with refused("not_found"):
        grace.rows(TASK, project["id"], "Sneak in", 0)


def test_a_second_user_reaches_nothing(world: World) -> None:
    ada, mallory = world.person("ada"), world.person("mallory")
    organization = found(ada)
    private, shared = ada.row(NEW, "Private"), ada.row(SHARED, "Shared", organization)
    tasks = [ada.row(TASK, p["id"], "t", 1) for p in (private, shared)]
    for table, row in (("projects", private), ("projects", shared), ("tasks", tasks[0]), ("tasks", tasks[1])):
        name = sql.Identifier(table)
        for statement in (
            sql.SQL("select * from {} where id = %s"),
            sql.SQL("update {} set {} = 'pwned' where id = %s returning id"),
            sql.SQL("delete from {} where id = %s returning id"),
        ):
            column = sql.Identifier("name" if table == "projects" else "title")
            with mallory.transaction() as connection:
                found_rows = connection.execute(statement.format(name, column), [row["id"]]).fetchall()
            assert found_rows == []
        for anonymous in (world.anon,):
            with refused("42501"), anonymous.transaction() as connection:
                connection.execute(sql.SQL("select * from {}").format(name))
    with refused("42501"):
        mallory.rows(SHARED, "Spoof", organization)
    for project in (private, shared):
        with refused("not_found"):
            mallory.rows(TASK, project["id"], "Spoof", 0)
    assert {p["name"] for p in ada.rows("select * from projects")} == {"Private", "Shared"}


@pytest.mark.parametrize(
    ("table", "column"),
    [("projects", c) for c in ("id", "user_id", "created_at", "updated_at", "deleted_at")]
    + [("tasks", c) for c in ("id", "user_id", "organization_id", "created_at", "updated_at", "deleted_at")],
)
def test_no_privileged_column_is_set_by_insert_update_or_upsert(
    world: World, table: str, column: str
) -> None:
    ada, mallory = world.person("ada"), world.person("mallory")
    project = mallory.row(NEW, "Mine")
    mallory.row(TASK, project["id"], "t", 0)
    value = "2000-01-01" if column.endswith("_at") else str(ada.id)
    parent, value_of_parent = ("name", "x") if table == "projects" else ("project_id", project["id"])
    names = {"t": sql.Identifier(table), "c": sql.Identifier(column), "p": sql.Identifier(parent)}
    for statement, parameters in (
        (sql.SQL("insert into {t} ({p}, {c}) values (%s, %s)"), [value_of_parent, value]),
        (sql.SQL("update {t} set {c} = %s"), [value]),
        (
            sql.SQL("insert into {t} ({p}) values (%s) on conflict (id) do update set {c} = %s"),
            [value_of_parent, value],
        ),
    ):
        with refused("42501"), mallory.transaction() as connection:
            connection.execute(statement.format(**names), parameters)
    assert len(mallory.rows("select * from projects")) == 1


@pytest.mark.parametrize(
    ("table", "column"),
    [("projects", "organization_id"), ("projects", "user_id"), ("tasks", "project_id"), ("tasks", "user_id")],
)
def test_rows_keep_their_parents_even_under_a_grant_that_is_too_wide(
    world: World, table: str, column: str
) -> None:
    ada, mallory = world.person("ada"), world.person("mallory")
    own_organization = found(mallory)
    theirs, mine = ada.row(NEW, "Hers"), mallory.row(NEW, "Mine")
    mallory.row(TASK, mine["id"], "t", 0)
    world.as_dba("grant update on public.projects, public.tasks to authenticated")
    value = {"organization_id": own_organization, "user_id": ada.id, "project_id": theirs["id"]}[column]
    with refused("forbidden"), mallory.transaction() as connection:
        connection.execute(
            sql.SQL("update {} set {} = %s").format(sql.Identifier(table), sql.Identifier(column)), [value]
        )


def test_deletes_are_soft_and_take_the_tasks_along(world: World) -> None:
    ada = world.person("ada")
    project = ada.row(NEW, "Notes")
    task = ada.row(TASK, project["id"], "t", 0)
    ada.rows("delete from tasks where id = %s", task["id"])
    assert ada.rows("select * from tasks") == []
    ada.row(TASK, project["id"], "second", 0)
    ada.rows("delete from projects where id = %s", project["id"])
    assert ada.rows("select * from projects") == []
    assert ada.rows("select * from tasks") == []
    kept = world.as_dba(
        "select deleted_at is not null as marked from public.tasks"
        " union all select deleted_at is not null from public.projects"
    )
    assert [row["marked"] for row in kept] == [True] * 3
    with refused("not_found"):
        ada.rows(TASK, project["id"], "too late", 0)


def test_shared_projects_are_deleted_by_their_maker_or_an_admin(world: World) -> None:
    ada, grace, alan = (world.person(n) for n in ("ada", "grace", "alan"))
    organization = found(ada)
    for person in (grace, alan):
        join(ada, organization, person, "member")
    first, second = (grace.row(SHARED, n, organization)["id"] for n in ("First", "Second"))
    alan.rows("delete from projects")
    assert len(ada.rows("select * from projects")) == 2
    grace.rows("delete from projects where id = %s", first)
    ada.rows("delete from projects where id = %s", second)
    assert ada.rows("select * from projects") == []


def test_a_task_never_outlives_a_project_that_is_deleted_at_the_same_time(world: World) -> None:
    ada = world.person("ada")
    for _ in range(10):
        project = ada.row(NEW, "Race")["id"]

        def add_or_delete(index: int, project: object = project) -> str | None:
            try:
                if index == 2:
                    ada.rows("delete from projects where id = %s", project)
                else:
                    ada.rows(TASK, project, "t", 0)
            except psycopg.Error as error:
                return error.diag.message_primary
            return None

        with ThreadPoolExecutor(5) as threads:
            assert set(threads.map(add_or_delete, range(5))) <= {None, "not_found"}
    assert world.as_dba("select id from public.tasks where deleted_at is null") == []


@pytest.mark.parametrize("value", ["NaN", "-1", "-0.000001", "Infinity", "1e13", "0.1234567"])
def test_values_out_of_range_are_refused(world: World, value: str) -> None:
    ada = world.person("ada")
    project = ada.row(NEW, "Notes")
    with refused("validation_failed", field="value"):
        ada.rows(TASK, project["id"], "t", value)


def test_text_and_json_are_bounded(world: World) -> None:
    ada = world.person("ada")
    for name in ("", " ", "x" * 201, "x" * 3_000_000, "a\nb", "\u200b", "\x7f"):
        with refused("validation_failed", field="name"):
            ada.rows(NEW, name)
    for data in ("[]", '"x"', "1", '{"a": "%s"}' % ("x" * 3_000_000)):
        with refused("validation_failed", field="data"):
            ada.rows("insert into projects (name, data) values ('n', %s)", data)
    with refused("54001"):
        ada.rows(
            "insert into projects (name, data) values ('n', %s)", '{"a":' * 100_000 + "1" + "}" * 100_000
        )
    project = ada.row(NEW, "Notes")
    with refused("validation_failed", field="status"):
        ada.rows("insert into tasks (project_id, status) values (%s, 'paid')", project["id"])
    assert len(ada.rows("select * from projects")) == 1


def test_the_service_role_writes_for_people_but_not_past_the_rules(world: World) -> None:
    ada = world.person("ada")
    project = world.service.row(
        "insert into projects (user_id, name) values (%s, 'For Ada') returning *", ada.id
    )
    task = world.service.row(TASK, project["id"], "t", 0)
    assert task["user_id"] == ada.id
    with refused("23502"):
        world.service.rows(NEW, "Nobody's")
    with refused("validation_failed"):
        world.service.rows("update projects set name = ''")
    assert len(ada.rows("select * from projects")) == 1
