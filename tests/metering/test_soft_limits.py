"""Above the soft limit everything goes on, and people are told once."""

from functools import partial

import pytest

from edge.emails.rendering import Wording
from tests.identity.mails import mails, told
from tests.metering.meter import Meter, at_once

WORDING = Wording(product="Groundwork", site_url="https://app.example.com")


def test_fifty_at_once_tell_a_person_once(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.limit(ada, 100, soft=10)
    assert at_once([partial(meter.consume, ada)] * 50) == [None] * 50
    assert meter.usage(ada)["over_soft_limit"] is True
    ((kind, data),) = told(ada)
    assert (kind, data["action"], data["used"], data["soft_limit"]) == ("usage_soft_limit", "export", 11, 10)
    (mail,) = mails(meter.world, "usage_soft_limit")
    assert (mail["user_id"], mail["to"], mail["params"]["action"]) == (ada.id, ada.email, "Exports")


@pytest.mark.parametrize(
    ("used", "hard_limit", "parts"),
    [
        (2, 2, ("You have used 2 of 2", "this month, more than the 1", "That is all there is")),
        (2, 9, ("You have used 2 of 9", "Everything goes on as before, up to 9")),
        (2, None, ("You have used 2", "Everything goes on as before. On")),
    ],
)
def test_the_mail_says_how_much_is_left_and_where_to_go(
    used: int, hard_limit: int | None, parts: tuple[str, ...]
) -> None:
    params = {
        "action": "Reports", "plan": "Free", "used": used, "soft_limit": 1, "hard_limit": hard_limit,
        "resets_at": "2026-12-01T00:00:00+00:00",
    }  # fmt: skip
    mail = WORDING.render("usage_soft_limit", params, unsubscribe_url=None)
    for part in (*parts, "Reports", "Free", "https://app.example.com/billing"):
        assert part in mail.text, mail.text
        assert part in mail.html, mail.html


def test_the_limit_itself_is_not_over_it(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.limit(ada, None, soft=2)
    assert meter.consume(ada, amount=2)["over_soft_limit"] is False
    assert told(ada) == []
    assert meter.consume(ada)["over_soft_limit"] is True
    assert len(told(ada)) == 1


def test_a_hold_tells_nobody_and_settling_it_does_for_each_month_and_action(meter: Meter) -> None:
    ada = meter.world.person("ada")
    for action in ("ai", "export"):
        meter.limit(ada, None, action=action, soft=1)
        held = meter.reserve(ada, 2, action=action)
        told_before = len(told(ada))
        assert meter.settle(held)["over_soft_limit"] is True
        assert len(told(ada)) == told_before + 1
        meter.settle(held)
    meter.let_a_month_pass(ada.id)
    late = meter.reserve(ada, 2)
    meter.let_a_month_pass(ada.id)
    meter.settle(late)
    assert len(mails(meter.world, "usage_soft_limit")) == 2, "last month is too late to be told of"


def test_who_cannot_be_written_to_is_counted_all_the_same(meter: Meter) -> None:
    ada = meter.world.person("ada")
    meter.world.as_dba("update public.profiles set email = null where id = %s", ada.id)
    meter.limit(ada, None, soft=0)
    assert meter.consume(ada)["over_soft_limit"] is True
    assert len(told(ada)) == 1
    assert mails(meter.world, "usage_soft_limit") == []
