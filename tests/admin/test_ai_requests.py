"""What admins see of AI calls: numbers, never text."""

from typing import LiteralString

from tests.acting import World, refused
from tests.ai.calls import Edge, answered, start
from tests.ai.conftest import edge

__all__ = ["edge"]


def test_pages_follow_each_other_and_filters_hold(world: World, edge: Edge) -> None:
    root, ada, bob = world.person("root"), world.person("ada"), world.person("bob")
    world.as_dba("update public.profiles set role = 'admin' where id = %s", root.id)
    world.as_dba("update ai.features set keeps_text = true")
    answered(ada, edge, "Xyzzy.", "Xyzzy.")
    start(ada, "Xyzzy.")
    edge.fail(start(bob, "Xyzzy.")["request_id"], "overloaded", lost=1)

    first = root.rows("select * from admin_ai_requests(page_size => 2)")
    rest = root.rows("select * from admin_ai_requests(before => %s)", first[-1]["created_at"])
    assert [row["outcome"] for row in first + rest] == ["failed", "hit", "answered"]
    assert "Xyzzy" not in str(first + rest)
    (answer,) = root.rows("select * from admin_ai_requests(outcome => 'answered')")
    assert (answer["input_tokens"], answer["output_tokens"], answer["cost_micros"]) == (200, 20, 300)
    (failed,) = root.rows("select * from admin_ai_requests(user_id => %s)", bob.id)
    assert (failed["reason"], failed["lost_cost_micros"] > 0) == ("overloaded", True)
    assert root.rows("select * from admin_ai_requests(feature => 'classify')") == []
    for outcome in ("answred", ""):
        with refused("validation_failed", field="outcome"):
            root.rows("select * from admin_ai_requests(outcome => %s)", outcome)
    with refused("validation_failed", field="feature"):
        root.rows("select * from admin_ai_requests(feature => 'sumarize')")

    costs = root.rows("select * from admin_ai_costs()")
    (this,) = costs
    assert (this["feature"], this["calls"], this["free_calls"], this["cost_micros"]) == (
        "summarize",
        2,
        1,
        300,
    )
    assert (this["input_tokens"], this["lost_cost_micros"]) == (200, failed["lost_cost_micros"])
    assert root.rows("select * from admin_ai_costs((%s + interval '3 days')::date)", this["month"]) == costs
    assert root.rows("select * from admin_ai_costs((%s - interval '1 day')::date)", this["month"]) == []
    with refused("validation_failed", field="month"):
        root.rows("select * from admin_ai_costs('infinity')")


def test_only_admins_see_it(world: World) -> None:
    ada = world.person("ada")
    calls: tuple[LiteralString, ...] = ("select * from admin_ai_requests()", "select * from admin_ai_costs()")
    for call in calls:
        with refused("forbidden"):
            ada.rows(call)
        with refused("42501"):
            world.anon.rows(call)
