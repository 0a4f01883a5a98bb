"""What a person may write is limited by triggers: rows or requests, whichever way they come."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest

from tests.acting import Caller, Person, World, refused
from tests.identity.organizations import found, invite, join
from tests.metering.limits import limit

PROJECTS: LiteralString = (
    "insert into projects (name) select 'p' || g from generate_series(1, %s) as g returning id"
)
KNOCK = """
    create function public.knock(subject text default null) returns void
    language plpgsql volatile security definer set search_path = '' as $$
    begin
        perform metering.limit_rate('api', 1, subject);
    end
    $$;
    grant execute on function public.knock(text) to anon, authenticated, service_role
"""


def test_rows_count_however_few_statements_bring_them(world: World) -> None:
    ada, bob = world.person("ada"), world.person("bob")
    limit(world, "projects", 5)
    ada.rows(PROJECTS, 3)
    with refused("rate_limited"):
        ada.rows(PROJECTS, 3)
    assert len(ada.rows("select id from projects")) == 3, "a refusal leaves nothing"
    ada.rows(PROJECTS, 2)
    with refused("rate_limited"):
        ada.rows(PROJECTS, 1)
    bob.rows(PROJECTS, 5)


def test_the_refusal_says_which_limit_and_when_to_come_back(world: World) -> None:
    ada = world.person("ada")
    limit(world, "projects", 1, rate=0.01)
    ada.rows(PROJECTS, 1)
    with pytest.raises(psycopg.Error) as caught:
        ada.rows(PROJECTS, 1)
    diag = caught.value.diag
    assert diag.sqlstate == "PGRST"
    message, response = json.loads(diag.message_primary or ""), json.loads(diag.message_detail or "")
    detail = json.loads(message["details"])
    assert (message["code"], message["message"]) == ("PT429", "rate_limited")
    assert response["status"] == 429
    assert response["headers"] == {"Retry-After": str(detail["retry_after"])}
    assert detail["limit"] == "projects"
    assert 90 < detail["retry_after"] <= 100


def test_more_than_fits_at_all_is_no_question_of_waiting(world: World) -> None:
    ada = world.person("ada")
    limit(world, "projects", 5)
    with refused("validation_failed", field="projects", rule="at most 5 at once"):
        ada.rows(PROJECTS, 6)


def test_who_is_no_person_is_not_limited(world: World) -> None:
    ada = world.person("ada")
    limit(world, "projects", 1)
    world.service.rows(
        "insert into projects (name, user_id) select 'p', %s from generate_series(1, 3)", ada.id
    )
    world.as_dba(
        "insert into public.projects (name, user_id) select 'p', %s from generate_series(1, 3)", ada.id
    )
    ada.rows(PROJECTS, 1)


def _setup(world: World) -> tuple[Person, Person, uuid.UUID]:
    ada, bob = world.person("ada"), world.person("bob")
    organization = found(ada)
    join(ada, organization, bob, "member")
    world.as_dba("delete from metering.buckets")
    return ada, bob, organization


Attempt = Callable[[World, Person, Person, uuid.UUID], object]
ATTEMPTS: dict[str, tuple[str, Attempt]] = {
    "found an organization": ("organizations", lambda _w, ada, _b, _o: found(ada)),
    "rename an organization": (
        "memberships",
        lambda _w, ada, _b, o: ada.count("update organizations set name = 'N' where id = %s", o),
    ),
    "change a role": (
        "memberships",
        lambda _w, ada, bob, o: ada.rows("select set_member_role(%s, %s, 'admin')", o, bob.id),
    ),
    "mail an invitation again": (
        "invitations", lambda _w, ada, _b, o: invite(ada, o, "guest@example.com", "member")
    ),
    "make a project": ("projects", lambda _w, ada, _b, _o: ada.rows(PROJECTS, 1)),
    "change the own profile": (
        "profiles", lambda _w, ada, _b, _o: ada.count("update profiles set name = 'N' where id = %s", ada.id)
    ),
    "mark notifications as read": (
        "notifications", lambda _w, ada, _b, _o: ada.rows("select mark_notifications_read()")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ATTEMPTS)
def test_what_people_do_is_limited(world: World, what: str) -> None:
    name, attempt = ATTEMPTS[what]
    everyone = _setup(world)
    ada = everyone[0]
    limit(world, name, 2)
    attempt(world, *everyone)
    attempt(world, *everyone)
    with refused("rate_limited"):
        attempt(world, *everyone)
    assert ada.rows("select id from profiles"), "reading is not"


def test_changing_rows_costs_as_much_as_making_them(world: World) -> None:
    ada = world.person("ada")
    (project, *_) = ada.rows(PROJECTS, 2)
    ada.rows("insert into tasks (project_id, title) select %s, 't' from generate_series(1, 4)", project["id"])
    world.as_dba("delete from metering.buckets")
    limit(world, "projects", 3)
    limit(world, "tasks", 7)
    assert ada.count("update projects set name = 'n'") == 2
    with refused("rate_limited"):
        ada.count("update projects set name = 'n'")
    assert ada.count("update tasks set title = 'n'") == 4
    with refused("rate_limited"):
        ada.count("update tasks set title = 'n'")


def test_ending_what_is_large_is_one_request(world: World) -> None:
    """Neither an organization with many members nor a project with many tasks can outgrow its own end."""
    ada, _bob, organization = _setup(world)
    for number in range(3):
        join(ada, organization, world.person(f"p{number}"), "member")
    (project,) = ada.rows(PROJECTS, 1)
    ada.rows("insert into tasks (project_id, title) select %s, 't' from generate_series(1, 9)", project["id"])
    world.as_dba("delete from metering.buckets")
    limit(world, "memberships", 2)
    limit(world, "tasks", 1)
    ada.rows("select delete_organization(%s)", organization)
    ada.count("delete from projects where id = %s", project["id"])
    assert ada.rows("select project_id from tasks") == []


def test_the_end_of_a_person_is_not_limited(world: World) -> None:
    ada, bob, organization = _setup(world)
    for name in ("memberships", "projects", "tasks", "profiles", "notifications"):
        limit(world, name, 1)
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert bob.rows("select role from memberships where organization_id = %s", organization) == [
        {"role": "owner"}
    ]


def test_a_limit_counts_from_the_next_request_on_and_its_change_is_on_record(world: World) -> None:
    ada = world.person("ada")
    limit(world, "projects", 1)
    ada.rows(PROJECTS, 1)
    with refused("rate_limited"):
        ada.rows(PROJECTS, 1)
    limit(world, "projects", 100, rate=10)
    ada.rows(PROJECTS, 50)
    changes = world.as_dba(
        "select changes -> 'burst' as burst from audit.log"
        " where table_name = 'metering.rate_limits' and action = 'update' order by id"
    )
    assert [row["burst"] for row in changes] == [[300, 1], [1, 100]]


@pytest.mark.parametrize(
    ("column", "value"), [("rate", 0), ("rate", "nan"), ("rate", 20000), ("burst", 0), ("burst", 2_000_000)]
)
def test_a_limit_that_is_none_is_refused(world: World, column: str, value: object) -> None:
    with refused("validation_failed", field=column):
        world.as_dba(
            "update metering.rate_limits"
            " set rate = case %s when 'rate' then %s else rate end,"
            " burst = case %s when 'burst' then %s::integer else burst end where name = 'api'",
            column, value if column == "rate" else 1, column, value if column == "burst" else 1,
        )  # fmt: skip


def test_a_limit_that_somebody_deleted_is_closed(world: World) -> None:
    ada = world.person("ada")
    world.as_dba("delete from metering.rate_limits where name = 'projects'")
    with refused("validation_failed", field="name"):
        ada.rows(PROJECTS, 1)


def test_nobody_sees_or_changes_limits(world: World) -> None:
    for caller in (world.anon, world.person("ada"), world.service):
        for statement in (
            "select * from metering.buckets",
            "delete from metering.buckets",
            "select * from metering.rate_limits",
            "select metering.take('k', 1, 1)",
            "select metering.limit_rate('api')",
        ):
            with refused("42501"):
                caller.rows(statement)


def test_the_state_is_told_without_taking(world: World) -> None:
    ada = world.person("ada")
    limit(world, "projects", 3, rate=0.01)

    def state() -> dict[str, Any]:
        (row,) = world.as_dba("select metering.rate_state('projects', %s) as state", ada.id)
        found: dict[str, Any] = row["state"]
        return found

    assert state() == {"limit": "projects", "rate": 0.01, "burst": 3, "available": 3, "retry_after": 0}
    ada.rows(PROJECTS, 2)
    assert state()["available"] == state()["available"] == 1
    ada.rows(PROJECTS, 1)
    assert state()["available"] == 0
    assert 90 < state()["retry_after"] <= 100
    (row,) = world.as_dba("select metering.rate_state('nonsense', %s) as state", ada.id)
    assert row["state"] is None


@pytest.fixture
def knocking(world: World) -> Callable[..., None]:
    """A function of the Data API that is limited to two calls, called with a chain of addresses."""
    world.as_dba(KNOCK)
    limit(world, "api", 2)

    def knock(caller: Caller, forwarded_for: str | None = None, subject: str | None = None) -> None:
        headers = {} if forwarded_for is None else {"x-forwarded-for": forwarded_for}
        with caller.transaction() as connection:
            connection.execute("select set_config('request.headers', %s, true)", [json.dumps(headers)])
            connection.execute("select public.knock(%s)", [subject])

    return knock


def test_visitors_are_told_apart_by_the_address_that_the_proxy_saw(
    world: World, knocking: Callable[..., None]
) -> None:
    for made_up in ("203.0.113.9, ", "203.0.113.10,"):
        knocking(world.anon, f"{made_up}192.0.2.1")
    with refused("rate_limited"):
        knocking(world.anon, "203.0.113.11, 192.0.2.1")
    knocking(world.anon, "192.0.2.2")


def test_a_network_of_ipv6_is_one_visitor(world: World, knocking: Callable[..., None]) -> None:
    knocking(world.anon, "2001:db8::1")
    knocking(world.anon, "2001:db8::ffff")
    with refused("rate_limited"):
        knocking(world.anon, "2001:db8:0:0:1234::1")
    knocking(world.anon, "2001:db8:0:1::1")


def test_visitors_without_an_address_share_a_bucket(world: World, knocking: Callable[..., None]) -> None:
    for nothing in (None, "nonsense"):
        knocking(world.anon, nothing)
    with refused("rate_limited"):
        knocking(world.anon)


def test_a_person_is_one_wherever_they_are(world: World, knocking: Callable[..., None]) -> None:
    ada = world.person("ada")
    for address in ("192.0.2.1", "192.0.2.2"):
        knocking(ada, address)
    with refused("rate_limited"):
        knocking(ada, "192.0.2.3")


def test_the_back_office_is_limited_only_where_somebody_names_a_subject(
    world: World, knocking: Callable[..., None]
) -> None:
    for _ in range(5):
        knocking(world.service)
    for _ in range(2):
        knocking(world.service, subject="import")
    with refused("rate_limited"):
        knocking(world.service, subject="import")


def test_parallel_requests_of_one_person_neither_deadlock_nor_pass_the_limit(world: World) -> None:
    ada, bob, organization = _setup(world)
    other = found(ada)
    join(ada, other, bob, "member")
    world.as_dba("delete from metering.buckets")
    limit(world, "organizations", 12)
    roles = ("admin", "member")

    def one(number: int) -> list[str]:
        outcomes = []
        for act in (
            lambda: found(ada),
            lambda: ada.rows(
                "select set_member_role(%s, %s, %s)",
                (organization, other)[number % 2],
                bob.id,
                roles[number % 2],
            ),
            lambda: invite(ada, (other, organization)[number % 2], f"g{number}@example.com", "member"),
            lambda: ada.rows(PROJECTS, 2),
        ):
            try:
                act()
                outcomes.append("done")
            except psycopg.Error as error:
                outcomes.append(f"{error.sqlstate} {error.diag.message_primary}")
        return outcomes

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(one, range(18)))
    founded = [each[0] for each in outcomes]
    assert founded.count("done") == 12
    assert all("rate_limited" in outcome for outcome in founded if outcome != "done")
    assert {outcome for each in outcomes for outcome in each[1:]} == {"done"}


UNLIMITED = """
    select c.relname || ': ' || lower(v.verb) as what
    from pg_class as c
    cross join (values ('INSERT'), ('UPDATE')) as v (verb)
    where
        c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and has_any_column_privilege('authenticated', c.oid, v.verb)
        and not exists (
            select from pg_trigger as t
            where t.tgrelid = c.oid and t.tgname = '_950_limit_' || lower(v.verb) and t.tgenabled = 'O'
        )
    order by 1
"""


def test_whatever_clients_may_write_has_a_limit(world: World) -> None:
    assert world.as_dba(UNLIMITED) == []
    world.as_dba("drop trigger _950_limit_insert on public.projects")
    assert world.as_dba(UNLIMITED) == [{"what": "projects: insert"}], "the query would not notice"
