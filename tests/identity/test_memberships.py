"""Nobody grants more than they have; an organization always has an owner."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import IsolationLevel

from tests.acting import Person, World, refused
from tests.identity.organizations import found, join

RANK = {"owner": 3, "admin": 2, "member": 1, None: 0}


def _staff(world: World) -> tuple[uuid.UUID, dict[str, Person]]:
    """An organization with one person of each role, a second owner, and somebody who does not belong."""
    tag = uuid.uuid4().hex[:8]
    people = {
        role: world.person(f"{role}-{tag}") for role in ("owner", "admin", "member", "second", "stranger")
    }
    organization = found(people["owner"])
    for name, role in (("admin", "admin"), ("member", "member"), ("second", "owner")):
        join(people["owner"], organization, people[name], role)
    return organization, people


def _roles(world: World, organization: uuid.UUID) -> dict[uuid.UUID, str]:
    rows = world.as_dba(
        "select user_id, role from public.memberships where organization_id = %s", organization
    )
    return {row["user_id"]: row["role"] for row in rows}


ACTORS = ("owner", "admin", "member", "stranger")


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_give_whom_what(world: World, actor: str) -> None:
    for target in ("owner", "admin", "member"):
        for granted in ("owner", "admin", "member"):
            organization, people = _staff(world)
            expected = _roles(world, organization)
            call = ("select * from set_member_role(%s, %s, %s)", organization, people[target].id, granted)
            if actor == "stranger":
                with refused("not_found"):
                    people[actor].rows(*call)
            elif actor == "member" or max(RANK[target], RANK[granted]) > RANK[actor]:
                with refused("forbidden"):
                    people[actor].rows(*call)
            else:
                assert people[actor].row(*call)["role"] == granted
                expected[people[target].id] = granted
            assert _roles(world, organization) == expected


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_remove_whom(world: World, actor: str) -> None:
    for target in ("owner", "admin", "member"):
        organization, people = _staff(world)
        call = ("select remove_member(%s, %s)", organization, people[target].id)
        may = actor in ("owner", "admin") and RANK[target] <= RANK[actor]
        if may:
            people[actor].rows(*call)
        else:
            with refused("not_found" if actor == "stranger" else "forbidden"):
                people[actor].rows(*call)
        assert (people[target].id in _roles(world, organization)) is not may


def test_unknown_roles_people_and_organizations_are_typed(world: World) -> None:
    organization, people = _staff(world)
    with refused("validation_failed", field="role"):
        people["owner"].rows("select set_member_role(%s, %s, 'emperor')", organization, people["member"].id)
    with refused("validation_failed", field="role"):
        people["owner"].rows("select set_member_role(%s, %s, null)", organization, people["member"].id)
    with refused("not_found"):
        people["owner"].rows("select set_member_role(%s, gen_random_uuid(), 'admin')", organization)
    with refused("not_found"):
        people["owner"].rows("select remove_member(gen_random_uuid(), %s)", people["member"].id)
    with refused("not_found"):
        people["owner"].rows("select leave_organization(null)")


def test_the_last_owner_neither_leaves_nor_steps_down(world: World) -> None:
    organization, people = _staff(world)
    owner, admin = people["owner"], people["admin"]
    people["second"].rows("select leave_organization(%s)", organization)
    for statement in (
        "select leave_organization(%s)",
        "select remove_member(%s, auth.uid())",
        "select set_member_role(%s, auth.uid(), 'admin')",
    ):
        with refused("invalid_state", rule="an_owner_remains"):
            owner.rows(statement, organization)
    people["member"].rows("select leave_organization(%s)", organization)
    owner.rows("select transfer_ownership(%s, %s)", organization, admin.id)
    assert _roles(world, organization) == {owner.id: "admin", admin.id: "owner"}
    owner.rows("select leave_organization(%s)", organization)


def test_only_owners_transfer_and_only_to_other_members(world: World) -> None:
    organization, people = _staff(world)
    with refused("forbidden"):
        people["admin"].rows("select transfer_ownership(%s, auth.uid())", organization)
    with refused("invalid_state"):
        people["owner"].rows("select transfer_ownership(%s, auth.uid())", organization)
    with refused("not_found"):
        people["owner"].rows("select transfer_ownership(%s, %s)", organization, people["stranger"].id)


def test_the_database_refuses_an_ownerless_organization_to_dbas_too(world: World) -> None:
    organization, _ = _staff(world)
    with refused("invalid_state", rule="an_owner_remains"):
        world.as_dba("delete from public.memberships where organization_id = %s", organization)
    with refused("invalid_state", rule="an_owner_remains"):
        world.as_dba("insert into public.organizations (name, slug) values ('Orphan', 'orphan')")


@pytest.mark.parametrize("isolation", IsolationLevel)
def test_owners_who_all_leave_at_once_leave_one_behind(world: World, isolation: IsolationLevel) -> None:
    founder = world.person("founder")
    organization = found(founder)
    owners = [founder, *(world.person(f"owner{i}") for i in range(5))]
    for owner in owners[1:]:
        join(founder, organization, owner, "owner")

    def leave(owner: Person) -> bool:
        try:
            with owner.transaction(isolation) as connection:
                connection.execute("select leave_organization(%s)", [organization])
        except psycopg.Error:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        gone = list(threads.map(leave, owners))
    roles = _roles(world, organization)
    assert "owner" in roles.values()
    assert len(roles) == len(owners) - sum(gone)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "remove", "leave", "transfer"]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(["owner", "admin", "member"]),
    ),
    max_size=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(operations=OPERATIONS)
def test_any_sequence_of_changes_follows_the_model(
    world: World, operations: list[tuple[str, int, int, str]]
) -> None:
    """The model is the rule in plain Python; the database must agree after every step."""
    tag = uuid.uuid4().hex[:8]
    people = [world.person(f"{tag}{i}") for i in range(4)]
    organization = found(people[0])
    for i, role in enumerate(("admin", "member"), start=1):
        join(people[0], organization, people[i], role)
    model = {0: "owner", 1: "admin", 2: "member"}

    for verb, a, t, role in operations:
        after = _model_step(model, verb, a, t, role)
        statement = {
            "set": "select set_member_role(%(o)s, %(t)s, %(r)s)",
            "remove": "select remove_member(%(o)s, %(t)s)",
            "leave": "select leave_organization(%(o)s)",
            "transfer": "select transfer_ownership(%(o)s, %(t)s)",
        }[verb]
        with people[a].transaction() as connection:
            call = {"o": organization, "t": people[t].id, "r": role}
            if after is None:
                with pytest.raises(psycopg.Error) as caught:
                    connection.execute(statement, call)
                assert (caught.value.sqlstate or "").startswith("PT")
                connection.rollback()
            else:
                connection.execute(statement, call)
                model = after
        assert _roles(world, organization) == {people[i].id: r for i, r in model.items()}


def _model_step(
    model: dict[int, str], verb: str, actor: int, target: int, role: str
) -> dict[int, str] | None:
    """The roles after this step, or None if it must be refused."""
    after = dict(model)
    rank = RANK[model.get(actor)]
    if verb == "leave":
        if actor not in model:
            return None
        del after[actor]
    elif target not in model:
        return None
    elif verb == "transfer":
        if rank < 3 or actor == target:
            return None
        after |= {target: "owner", actor: "admin"}
    else:
        if rank < 2 or RANK[model[target]] > rank or (verb == "set" and RANK[role] > rank):
            return None
        if verb == "set":
            after[target] = role
        else:
            del after[target]
    return after if "owner" in after.values() else None
