"""Nobody grants more than they have; an organization always has an owner."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acting import Person, World, refused
from tests.identity.organizations import found, join

RANK = {"owner": 3, "admin": 2, "member": 1, None: 0}


def _staff(world: World) -> tuple[uuid.UUID, dict[str, Person]]:
    people = {role: world.person(role) for role in ("owner", "admin", "member")}
    organization = found(people["owner"])
    for role in ("admin", "member"):
        join(people["owner"], organization, people[role], role)
    return organization, people


def _roles(world: World, organization: uuid.UUID) -> dict[uuid.UUID, str]:
    rows = world.as_dba(
        "select user_id, role from public.memberships where organization_id = %s", organization
    )
    return {row["user_id"]: row["role"] for row in rows}


@pytest.mark.parametrize("actor", ["owner", "admin", "member", "stranger"])
@pytest.mark.parametrize("target", ["owner", "admin", "member"])
@pytest.mark.parametrize("granted", ["owner", "admin", "member"])
def test_who_may_give_whom_what(world: World, actor: str, target: str, granted: str) -> None:
    organization, people = _staff(world)
    second_owner = world.person("second")
    join(people["owner"], organization, second_owner, "owner")
    people["stranger"] = world.person("stranger")
    before = _roles(world, organization)
    call = ("select * from set_member_role(%s, %s, %s)", organization, people[target].id, granted)

    if actor == "stranger":
        with refused("not_found"):
            people[actor].rows(*call)
    elif actor == "member" or max(RANK[target], RANK[granted]) > RANK[actor]:
        with refused("forbidden"):
            people[actor].rows(*call)
    else:
        assert people[actor].row(*call)["role"] == granted
        before[people[target].id] = granted
    assert _roles(world, organization) == before


@pytest.mark.parametrize("actor", ["owner", "admin", "member", "stranger"])
@pytest.mark.parametrize("target", ["owner", "admin", "member"])
def test_who_may_remove_whom(world: World, actor: str, target: str) -> None:
    organization, people = _staff(world)
    join(people["owner"], organization, world.person("second"), "owner")
    people["stranger"] = world.person("stranger")
    call = ("select remove_member(%s, %s)", organization, people[target].id)
    if actor == "stranger":
        with refused("not_found"):
            people[actor].rows(*call)
    elif actor == "member" or RANK[target] > RANK[actor]:
        with refused("forbidden"):
            people[actor].rows(*call)
    else:
        people[actor].rows(*call)
    removed = actor in ("owner", "admin") and RANK[target] <= RANK[actor]
    assert (people[target].id in _roles(world, organization)) is not removed


def test_unknown_roles_people_and_organizations_are_typed(world: World) -> None:
    organization, people = _staff(world)
    with refused("validation_failed", field="role"):
        people["owner"].rows("select set_member_role(%s, %s, 'emperor')", organization, people["member"].id)
    with refused("not_found"):
        people["owner"].rows("select set_member_role(%s, gen_random_uuid(), 'admin')", organization)
    with refused("not_found"):
        people["owner"].rows("select remove_member(gen_random_uuid(), %s)", people["member"].id)
    with refused("not_found"):
        people["owner"].rows("select leave_organization(null)")


def test_the_last_owner_neither_leaves_nor_steps_down(world: World) -> None:
    organization, people = _staff(world)
    owner = people["owner"]
    for statement in ("select leave_organization(%s)", "select remove_member(%s, auth.uid())"):
        with refused("invalid_state", rule="an_owner_remains"):
            owner.rows(statement, organization)
    with refused("invalid_state", rule="an_owner_remains"):
        owner.rows("select set_member_role(%s, auth.uid(), 'admin')", organization)
    people["member"].rows("select leave_organization(%s)", organization)
    owner.rows("select transfer_ownership(%s, %s)", organization, people["admin"].id)
    assert _roles(world, organization) == {owner.id: "admin", people["admin"].id: "owner"}
    owner.rows("select leave_organization(%s)", organization)


def test_only_owners_transfer_and_only_to_other_members(world: World) -> None:
    organization, people = _staff(world)
    with refused("forbidden"):
        people["admin"].rows("select transfer_ownership(%s, auth.uid())", organization)
    with refused("invalid_state"):
        people["owner"].rows("select transfer_ownership(%s, auth.uid())", organization)
    with refused("not_found"):
        people["owner"].rows("select transfer_ownership(%s, %s)", organization, world.person("stranger").id)


def test_the_database_refuses_an_ownerless_organization_to_dbas_too(world: World) -> None:
    organization, _ = _staff(world)
    with refused("invalid_state", rule="an_owner_remains"):
        world.as_dba("delete from public.memberships where organization_id = %s", organization)
    with refused("invalid_state", rule="an_owner_remains"):
        world.as_dba("insert into public.organizations (name, slug) values ('Orphan', 'orphan')")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_owners_who_all_leave_at_once_leave_one_behind(world: World, isolation: str) -> None:
    founder = world.person("founder")
    organization = found(founder)
    owners = [founder, *(world.person(f"owner{i}") for i in range(5))]
    for owner in owners[1:]:
        join(founder, organization, owner, "owner")

    def leave(owner: Person) -> bool:
        try:
            with owner.transaction() as connection:
                connection.execute("select leave_organization(%s)", [organization])
        except psycopg.Error:
            return False
        return True

    if isolation != "read committed":
        world.as_dba("select set_config('search_path', '', true)")
        with psycopg.connect(world.superuser_url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'alter database "{name}" set default_transaction_isolation = \'{isolation}\'')  # type: ignore[call-overload]  # fmt: skip
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
        try:
            with people[a].transaction() as connection:
                connection.execute(statement, {"o": organization, "t": people[t].id, "r": role})
            assert after is not None, f"{verb} by {a} on {t} should have been refused in {model}"
            model = after
        except psycopg.Error as error:
            assert (error.sqlstate or "").startswith("PT"), error
            assert after is None, f"{verb} by {a} on {t} should have worked in {model}: {error}"
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
