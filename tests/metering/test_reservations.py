"""Room is taken before the work, and always comes back: used, released, or when its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.acting import Person, World, refused
from tests.identity.mails import waiting
from tests.metering.meter import Meter, at_once, refusal, replaced


@pytest.fixture
def ada(meter: Meter) -> Person:
    return meter.world.person("ada")


@pytest.fixture
def keeper(world: World) -> Person:
    """An owner of the product, who gets mail about budgets."""
    person = world.person("keeper")
    world.as_dba("update public.profiles set role = 'super_admin' where id = %s", person.id)
    return person


def test_what_is_held_is_room_that_nobody_else_gets(meter: Meter, ada: Person) -> None:
    held = meter.reserve(ada, 2)
    assert meter.counted(ada) == (0, 2)
    with refused("quota_exceeded", held=2, used=0, requested=2):
        meter.consume(ada, amount=2)
    meter.consume(ada)
    with refused("quota_exceeded", held=2, used=1):
        meter.reserve(ada)
    status = meter.settle(held, 1)
    assert (status["used"], status["held"], status["remaining"]) == (2, 0, 1)
    meter.assert_sound()


def test_settling_again_changes_nothing_and_never_the_numbers(meter: Meter, ada: Person) -> None:
    held = meter.reserve(ada, 2, action="ai", cost=500)
    first = meter.settle(held, 2, cost=700)
    assert (first["used"], first["cost_micros"]) == (2, 700), "what it really cost, though less was held"
    assert meter.settle(held, 2, cost=700) == first == meter.settle(held, cost=700)
    for amount, cost in ((1, 700), (2, 701)):
        with refused("conflict"):
            meter.settle(held, amount, cost)
    with refused("invalid_state"):
        meter.release(held)
    meter.assert_sound()


def test_releasing_gives_everything_back_once(meter: Meter, ada: Person) -> None:
    held = meter.reserve(ada, 3, action="ai", cost=500)
    meter.release(held)
    meter.release(held)
    assert meter.counted(ada, "ai") == (0, 0)
    with refused("invalid_state"):
        meter.settle(held)
    meter.assert_sound()


def test_an_expired_hold_stands_in_nobodys_way_from_that_moment_on(meter: Meter, ada: Person) -> None:
    meter.reserve(ada, 3)
    assert refusal(lambda: meter.consume(ada)) == "quota_exceeded"
    meter.let_holds_expire()
    assert (meter.usage(ada)["held"], meter.usage(ada)["remaining"]) == (0, 3)
    assert meter.reserve(ada, 3)
    assert meter.counted(ada) == (0, 3)
    meter.assert_sound()


@pytest.mark.parametrize("tidied", [False, True])
def test_settling_late_takes_room_again_if_there_is_some(meter: Meter, ada: Person, tidied: bool) -> None:
    early, late, cheap = meter.reserve(ada), meter.reserve(ada), meter.reserve(ada)
    meter.let_holds_expire()
    if tidied:
        (row,) = meter.world.as_dba("select metering.tidy('{}') as done")
        assert row["done"]["expired_holds"] == 3
    assert meter.settle(early)["used"] == 1
    meter.consume(ada, amount=2)
    with refused("quota_exceeded", used=3, held=0, requested=1):
        meter.settle(late)
    assert meter.settle(cheap, 0)["used"] == 3, "nothing needs no room"
    meter.release(late)
    with refused("invalid_state"):
        meter.settle(late)
    meter.assert_sound()


def test_what_was_spent_is_kept_also_where_no_hold_covers_it(meter: Meter, ada: Person) -> None:
    (row,) = meter.world.as_dba("select metering.month_of(now()) as month")
    for _ in range(2):
        meter.world.as_dba("select metering.record_cost(%s, 'ai', %s, 400000)", ada.id, row["month"])
    assert meter.usage(ada, "ai")["cost_micros"] == 800000
    with refused("quota_exceeded", reason="cost_limit", limit=500000, used=800000, held=0, requested=1):
        meter.reserve(ada, action="ai", cost=1)
    meter.assert_sound()


def test_a_hold_belongs_to_the_month_in_which_it_was_made(meter: Meter, ada: Person) -> None:
    settled, released, expired = (meter.reserve(ada, action="ai", cost=10) for _ in range(3))
    meter.let_a_month_pass(ada.id)
    assert meter.counted(ada, "ai") == (0, 0)
    meter.consume(ada, "ai", 5)
    status = meter.settle(settled, cost=25)
    assert (status["used"], status["held"], status["cost_micros"]) == (1, 2, 25), "of that month"
    assert status["resets_at"] < meter.usage(ada, "ai")["resets_at"]
    meter.release(released)
    meter.let_holds_expire()
    meter.world.as_dba("select metering.tidy('{}')")
    assert meter.settle(expired)["used"] == 2
    assert meter.counted(ada, "ai") == (5, 0)
    meter.assert_sound()


def test_the_same_key_is_the_same_hold(meter: Meter, ada: Person) -> None:
    first = meter.reserve(ada, 2, key="k")
    assert meter.reserve(ada, 2, key="k") == first
    for other in (
        partial(meter.reserve, ada, 1, key="k"),
        partial(meter.reserve, ada, 2, key="k", action="ai"),
        partial(meter.reserve, ada, 2, key="k", cost=1),
        partial(meter.reserve, ada, 2, key="k", seconds=301),
    ):
        with refused("conflict", idempotency_key="k"):
            other()
    meter.settle(first)
    assert meter.reserve(ada, 2, key="k") == first, "whatever became of it"
    assert meter.reserve(meter.world.person("bob"), 2, key="k") != first
    assert meter.counted(ada) == (2, 0)


def test_twins_hold_once_also_the_last_that_there_is(meter: Meter, ada: Person) -> None:
    for key, amount in (("first", 1), ("last", 2)):
        holds: list[uuid.UUID] = []

        def reserve(key: str = key, amount: int = amount, holds: list[uuid.UUID] = holds) -> None:
            holds.append(meter.reserve(ada, amount, key=key))

        assert at_once([reserve] * 24) == [None] * 24
        assert len(set(holds)) == 1
    assert meter.counted(ada) == (0, 3)
    meter.assert_sound()


def test_two_hundred_at_once_hold_settle_and_count_no_more_than_there_is(meter: Meter, ada: Person) -> None:
    meter.limit(ada, 50)
    meter.reserve(ada, 20)
    meter.let_holds_expire()

    def work(number: int) -> None:
        if number % 3 == 0:
            meter.consume(ada)
        elif number % 3 == 1:
            meter.settle(meter.reserve(ada))
        else:
            meter.release(meter.reserve(ada))

    outcomes = at_once([partial(work, number) for number in range(200)])
    assert set(outcomes) <= {None, "quota_exceeded"}
    used, held = meter.counted(ada)
    counted = sum(outcome is None for number, outcome in enumerate(outcomes) if number % 3 != 2)
    assert (used, held) == (counted, 0)
    assert used == 50
    meter.assert_sound()


def test_settling_and_releasing_at_once_end_a_hold_once(meter: Meter, ada: Person) -> None:
    for _ in range(4):
        held = meter.reserve(ada, action="ai", cost=3)
        used = meter.counted(ada, "ai")[0]
        calls: list[Callable[[], object]] = [
            partial(meter.settle, held, cost=2),
            partial(meter.release, held),
        ]
        outcomes = at_once(calls * 6)
        settled = meter.counted(ada, "ai")[0] - used
        assert outcomes == ([None, "invalid_state"] if settled else ["invalid_state", None]) * 6
    meter.assert_sound()


HOLDER = """
import sys, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("set role service_role")
    connection.execute("select reserve_usage(%s, 'ai', 5, 'key', 60, 100)", [sys.argv[2]])
    if sys.argv[3] == "after":
        connection.commit()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("commit", ["before", "after"])
def test_who_is_killed_between_reserve_and_settle_strands_nothing(
    meter: Meter, ada: Person, commit: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, meter.world.authenticator_url, str(ada.id), commit],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGKILL)
    if commit == "after":
        with refused("quota_exceeded", held=5):
            meter.consume(ada, "ai")
        meter.let_holds_expire()
    outcomes = at_once([lambda: meter.consume(ada, "ai")] * 12)
    assert outcomes.count(None) == 5
    assert meter.counted(ada, "ai") == (5, 0)
    meter.assert_sound()


def test_asking_for_more_than_there_ever_is_waits_in_line(meter: Meter, ada: Person) -> None:
    """Whoever ends expired holds takes usage before reservations, as settling does, or both wait for ever."""
    first = meter.reserve(ada)
    meter.settle(first)
    second = meter.reserve(ada)
    meter.let_holds_expire()
    with meter.world.service.transaction() as settling, ThreadPoolExecutor() as threads:
        settling.execute("select settle_usage(%s)", [first])
        greedy = waiting(threads, meter.world, partial(refusal, partial(meter.consume, ada, amount=4)))
        settling.execute("select settle_usage(%s)", [second])
        settling.commit()
        assert greedy.result() == "quota_exceeded"
    assert meter.counted(ada) == (2, 0)
    meter.assert_sound()


def test_the_budget_of_the_installation_is_never_passed(meter: Meter, keeper: Person) -> None:
    people = [meter.world.person(f"p{number}") for number in range(8)]
    meter.world.as_dba("update metering.budgets set cost_limit_micros = 1000 where action = 'ai'")
    calls = [partial(meter.reserve, person, action="ai", cost=90) for person in people for _ in range(4)]
    outcomes = at_once(calls)
    assert set(outcomes) == {None, "provider_unavailable"}
    assert outcomes.count(None) == 11
    with refused("provider_unavailable", scope="installation"):
        meter.reserve(people[0], action="ai", cost=90)
    meter.assert_sound()
    assert meter.reserve(people[0], action="ai", cost=0), "what costs nothing needs no budget"
    for _ in range(2):
        (row,) = meter.world.as_dba("select metering.tidy('{}') as done")
        assert row["done"] == {"expired_holds": 0, "budgets_nearly_spent": 1}
    (mail,) = meter.world.as_dba("select * from jobs.emails where template = 'usage_budget'")
    assert (mail["user_id"], mail["params"]["percent"]) == (keeper.id, 99)

    meter.let_holds_expire()
    assert meter.reserve(people[0], action="ai", cost=1000), "also before anybody has tidied up"
    meter.world.as_dba("select metering.tidy('{}')")
    meter.assert_sound()


def test_without_a_budget_nothing_may_cost_anything(meter: Meter, ada: Person) -> None:
    with refused("provider_unavailable", scope="installation"):
        meter.reserve(ada, cost=1)
    assert meter.counted(ada) == (0, 0)


def test_a_hold_of_somebody_who_goes_can_still_be_settled(meter: Meter, ada: Person) -> None:
    held = meter.reserve(ada, action="ai", key="my private key", cost=10)
    meter.limit(ada, 9)
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    assert meter.world.as_dba("select idempotency_key from metering.reservations") == [
        {"idempotency_key": None}
    ]
    assert meter.world.as_dba("select * from metering.overrides") == []
    status = meter.settle(held, cost=20)
    assert (status["used"], status["plan"], status["cost_micros"]) == (1, None, 20)
    with refused("not_authenticated"):
        meter.reserve(ada, action="ai")
    meter.assert_sound()


def test_no_hold_on_nonsense_or_for_ever(meter: Meter, ada: Person) -> None:
    sound = {"amount": 1, "action": "ai", "key": None, "seconds": 300, "cost": 0}
    for wrong, value, field in (
        ("amount", 0, "amount"),
        ("amount", -1, "amount"),
        ("amount", None, "amount"),
        ("amount", 2**62, "amount"),
        ("cost", -1, "cost_micros"),
        ("cost", None, "cost_micros"),
        ("cost", 10**13, "cost_micros"),
        ("seconds", 0, "expires_in_seconds"),
        ("seconds", 3601, "expires_in_seconds"),
        ("seconds", None, "expires_in_seconds"),
        ("action", "exprot", "action"),
        ("key", "", "idempotency_key"),
        ("key", "k" * 201, "idempotency_key"),
    ):
        given: dict[str, object] = {**sound, wrong: value}
        with refused("validation_failed", field=field):
            meter.world.service.rows(
                "select reserve_usage(%s, %s, %s, %s, %s, %s)",
                ada.id, given["action"], given["amount"], given["key"], given["seconds"], given["cost"],
            )  # fmt: skip
    assert meter.counted(ada, "ai") == (0, 0)


def test_nonsense_settles_nothing(meter: Meter, ada: Person) -> None:
    held = meter.reserve(ada, 2)
    for amount, cost, field in (
        (-1, 0, "amount"),
        (3, 0, "amount"),
        (1, -1, "cost_micros"),
        (1, 10**13, "cost_micros"),
    ):
        with refused("validation_failed", field=field):
            meter.settle(held, amount, cost)
    for call in (meter.settle, meter.release):
        with refused("not_found"):
            call(uuid.uuid4())
    with refused("validation_failed", field="reservation_id"):
        meter.world.service.rows("select settle_usage(null)")
    assert meter.counted(ada) == (0, 2)


def test_not_even_a_dba_opens_again_what_has_ended(meter: Meter, ada: Person) -> None:
    held, released = meter.reserve(ada), meter.reserve(ada)
    meter.settle(held)
    meter.release(released)
    for change in (
        "update metering.reservations set status = 'held', ended_at = null,"
        " settled_amount = null, settled_cost_micros = null",
        "update metering.reservations set amount = 3",
        "update metering.reservations set expires_at = created_at + interval '50 minutes'",
    ):
        with refused("forbidden"):
            meter.world.as_dba(change)


def test_old_reservations_are_cleaned_up(meter: Meter, ada: Person) -> None:
    meter.settle(meter.reserve(ada))
    meter.reserve(ada)
    assert clean(meter) == {"reservations": 0, "overrides": 0}
    meter.limit(ada, 1)
    meter.world.as_dba("update metering.overrides set expires_at = now() - interval '31 days'")
    replaced(meter.world, "metering.clean_up(jsonb)", "e.created_at < now() - interval '30 days'", "true")
    assert clean(meter) == {"reservations": 1, "overrides": 1}, "what is held stays"


def clean(meter: Meter) -> object:
    return meter.world.as_dba("select metering.clean_up('{}') as done")[0]["done"]
