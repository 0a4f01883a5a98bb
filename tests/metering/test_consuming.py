"""However many come at once and whatever changes meanwhile, the limit is never passed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.acting import Row, World, refused
from tests.billing.subscribing import subscribe
from tests.connections import connected
from tests.identity.organizations import found, join
from tests.metering.meter import CONNECTIONS, Meter, at_once, refusal, replaced

PRO = {"plan": "pro", "name": "Pro", "unit_amount": 1900, "currency": "USD", "interval": "month"}


def ends(*owners: object, world: World) -> None:
    world.as_dba(
        "update public.subscriptions set status = 'unpaid'"
        " where user_id = any(%s) or organization_id = any(%s)",
        list(owners), list(owners),
    )  # fmt: skip


def next_month() -> datetime:
    now = datetime.now(UTC)
    return datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)


def test_three_exports_are_free_and_the_fourth_says_what_would_help(meter: Meter) -> None:
    ada = meter.world.person("ada")
    statuses = [meter.consume(ada) for _ in range(3)]
    assert [(status["used"], status["remaining"]) for status in statuses] == [(1, 2), (2, 1), (3, 0)]
    assert statuses[-1]["resets_at"] == next_month()
    with refused(
        "quota_exceeded",
        action="export", plan="free", limit=3, used=3, held=0, requested=1, scope="user", reason="hard_limit",
        resets_at=next_month().isoformat(), upgrade=PRO,
    ):  # fmt: skip
        meter.consume(ada)
    assert meter.counted(ada) == (3, 0)


def test_an_amount_fits_as_a_whole_or_not_at_all(meter: Meter) -> None:
    ada = meter.world.person("ada")
    with refused("quota_exceeded", requested=4, used=0):
        meter.consume(ada, amount=4)
    assert meter.consume(ada, amount=2)["remaining"] == 1
    with refused("quota_exceeded", requested=2, used=2):
        meter.consume(ada, amount=2)
    assert meter.consume(ada)["remaining"] == 0


def test_no_plan_is_offered_that_would_not_help(meter: Meter) -> None:
    ada = meter.world.person("ada")
    with refused("quota_exceeded", upgrade=None, requested=501):
        meter.consume(ada, "ai", 501)
    meter.limit(ada, 1)
    with refused("quota_exceeded", upgrade=None, limit=1, requested=2):
        meter.consume(ada, amount=2)


def test_what_is_in_no_plan_is_refused(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.world.as_dba("delete from public.plan_limits where plan = 'free' and action = 'export'")
    with refused("quota_exceeded", reason="not_in_plan", limit=0, upgrade=PRO):
        meter.consume(ada)
    meter.limit(ada, 1)
    assert meter.consume(ada)["remaining"] == 0


def test_nonsense_is_refused(world: World) -> None:
    ada = world.person("ada")
    for action, amount, field in (
        ("export", 0, "amount"),
        ("export", -1, "amount"),
        ("export", 1000001, "amount"),
        ("export", 2**63 - 1, "amount"),
        ("export", None, "amount"),
        ("exprot", 1, "action"),
        ("", 1, "action"),
        (None, 1, "action"),
    ):
        for key in (None, "key"):
            with refused("validation_failed", field=field):
                ada.rows("select consume_usage(%s, %s, %s)", action, amount, key)
    with refused("validation_failed", field="idempotency_key"):
        ada.rows("select consume_usage('export', 1, '')")
    assert world.as_dba("select * from public.usage") == []


def test_nobody_counts_for_visitors_and_the_deleted(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.consume(ada, key="before")
    meter.world.as_auth_service("delete from auth.users where id = %s", ada.id)
    for key in (None, "before", "after"):
        with refused("not_authenticated"):
            meter.consume(ada, key=key)
    for call in ("select my_usage()", "select explain_access('export')"):
        with refused("not_authenticated"):
            ada.rows(call)
        with refused("42501"):
            meter.world.anon.rows(call)
    with refused("42501"):
        meter.world.anon.rows("select consume_usage('export')")
    (kept,) = meter.world.as_dba("select count from public.usage")
    assert kept == {"count": 1}, "the numbers stay"


def test_a_key_counts_once(meter: Meter) -> None:
    ada, bob = meter.world.person("ada"), meter.world.person("bob")
    first = meter.consume(ada, key="k")
    meter.consume(ada)
    assert meter.consume(ada, key="k") == first
    with refused("conflict"):
        meter.consume(ada, amount=2, key="k")
    assert meter.consume(bob, key="k")["used"] == 1, "a key belongs to a person"
    assert meter.counted(ada) == (2, 0)


def test_twins_with_one_key_count_once(meter: Meter) -> None:
    ada = meter.world.person("ada")
    assert at_once([lambda: meter.consume(ada, key="k")] * 40) == [None] * 40
    assert meter.counted(ada) == (1, 0)


def oversold(meter: Meter) -> Row:
    """200 consumers for 50; returns who was let in, and what was counted."""
    ada = meter.world.person("ada")
    meter.limit(ada, 50)
    outcomes = at_once([lambda: meter.consume(ada)] * 200)
    assert set(outcomes) == {None, "quota_exceeded"}
    return {"let in": outcomes.count(None), "counted": meter.counted(ada)[0]}


def test_two_hundred_at_once_get_exactly_what_there_is(meter: Meter) -> None:
    assert oversold(meter) == {"let in": 50, "counted": 50}


def test_looking_before_counting_would_be_noticed(meter: Meter) -> None:
    """The same with a limit that is looked at by one statement and used by the next."""
    replaced(
        meter.world,
        "metering.consume(uuid, text, bigint)",
        "    -- Nearly always the row is there",
        "    select u.* into v_used from public.usage as u where u.user_id = consume.user_id;\n"
        "    if v_used.count >= v_limits.hard_limit then\n"
        "        perform metering.refuse(v_limits, v_month, amount, 0);\n"
        "    end if;\n"
        "    v_limits.hard_limit := null;\n"
        "    perform pg_sleep(0.05);\n"
        "    -- Nearly always the row is there",
    )
    assert oversold(meter)["let in"] > 50


def test_a_change_of_plan_counts_at_once_in_both_directions(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.consume(ada, amount=3)
    assert refusal(lambda: meter.consume(ada)) == "quota_exceeded"
    subscribe(meter.world, ada.id)
    status = meter.consume(ada)
    assert (status["plan"], status["hard_limit"], status["remaining"]) == ("pro", None, None)
    ends(ada.id, world=meter.world)
    with refused("quota_exceeded", plan="free", limit=3, used=4):
        meter.consume(ada)
    assert meter.usage(ada)["remaining"] == 0, "and not less than nothing"


def test_the_better_of_the_own_plan_and_those_of_organizations_counts(meter: Meter) -> None:
    world = meter.world
    ada, grace = world.person("ada"), world.person("grace")
    engines = found(grace)
    join(grace, engines, ada, "member")
    assert meter.usage(ada)["plan"] == "free"
    subscribe(world, engines)
    assert meter.usage(ada)["plan"] == "pro"
    assert ada.row("select explain_access('export') as a")["a"]["plan_from"] == str(engines)
    subscribe(world, ada.id)
    assert ada.row("select explain_access('export') as a")["a"]["plan_from"] == "own"
    ends(ada.id, world=world)
    meter.consume(ada, amount=9)
    ada.rows("select leave_organization(%s)", engines)
    with refused("quota_exceeded", plan="free", used=9):
        meter.consume(ada)
    join(grace, engines, ada, "member")
    grace.rows("select delete_organization(%s)", engines)
    assert meter.usage(ada)["plan"] == "free", "a deleted organization gives nothing"


def test_a_plan_that_changes_in_the_middle_never_lets_more_in_than_the_higher_limit(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.world.as_dba(
        "update public.plan_limits set hard_limit = 30 where plan = 'pro' and action = 'export'"
    )
    subscribe(meter.world, ada.id)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        calls = [threads.submit(refusal, lambda: meter.consume(ada)) for _ in range(100)]
        while meter.counted(ada)[0] < 5:
            pass
        ends(ada.id, world=meter.world)
        seen = meter.counted(ada)[0]
        outcomes = [call.result() for call in calls]
    assert outcomes.count(None) == meter.counted(ada)[0] <= 30
    # Whoever had looked at the old limit already is before the change; at most one a connection.
    assert meter.counted(ada)[0] <= max(seen, 3) + CONNECTIONS
    assert refusal(lambda: meter.consume(ada)) == "quota_exceeded"


def test_an_override_counts_both_ways_until_it_expires(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.limit(ada, 10)
    meter.consume(ada, amount=10)
    meter.limit(ada, 0)
    with refused("quota_exceeded", limit=0):
        meter.consume(ada)
    meter.limit(ada, None)
    assert meter.consume(ada)["remaining"] is None
    meter.world.as_dba("update metering.overrides set expires_at = now()")
    with refused("quota_exceeded", limit=3, used=11):
        meter.consume(ada)


def test_months_are_those_of_utc_in_every_time_zone(world: World) -> None:
    moments = {
        "2026-01-31 23:59:59.999999+00": "2026-01-01",
        "2026-02-01 00:00:00+00": "2026-02-01",
        "2026-02-01 00:00:00+14": "2026-01-01",
        "2026-12-31 23:00:00-12": "2027-01-01",
        "2028-02-29 23:59:59+00": "2028-02-01",
    }
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "UTC"):
        with connected(world.database_url) as connection:
            connection.execute("select set_config('timezone', %s, true)", [zone])
            for moment, month in moments.items():
                row = connection.execute(
                    "select metering.month_of(%s)::text as month,"
                    " metering.resets_at(%s::date) > %s::timestamptz"
                    " and metering.resets_at(%s::date) <= %s::timestamptz + interval '31 days' as later",
                    [moment, month, moment, month, moment],
                ).fetchone()
                assert row == {"month": month, "later": True}


def test_a_new_month_begins_at_nothing(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.consume(ada, amount=3)
    meter.let_a_month_pass(ada.id)
    assert meter.consume(ada)["remaining"] == 2
    rows = ada.rows("select count from public.usage order by month")
    assert [row["count"] for row in rows] == [3, 1]
