"""What is kept of a question, who sees it, and how it is forgotten."""

import json

from tests.acting import World, refused
from tests.ai.calls import Edge, answered, follow, logged, project, start, usage
from tests.ai.test_scopes import organization
from tests.metering.meter import replaced

SECRET = "Xyzzy, the secret word."


def everything(world: World) -> str:
    """All that the domain's tables hold."""
    rows = world.as_dba(
        "select to_jsonb(r) as row from ai.requests as r union all select to_jsonb(a) from ai.answers as a"
        " union all select to_jsonb(k) from core.idempotency_keys as k"
        " union all select to_jsonb(l) from audit.log as l"
    )
    return json.dumps(rows, default=str)


def test_the_log_has_no_text(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    answered(ada, edge, SECRET, f"They said: {SECRET}", key="one")
    world.as_dba("delete from ai.answers")
    assert "Xyzzy" not in everything(world)
    (row,) = logged(world, "key", "input_tokens", "output_tokens", "cost_micros", "latency_ms", "outcome")
    assert row.pop("key").startswith("\\x")
    assert row == {
        "input_tokens": 200, "output_tokens": 20, "cost_micros": 300, "latency_ms": 120,
        "outcome": "answered",
    }  # fmt: skip


def test_text_is_kept_if_the_feature_says_so_and_not_for_ever(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set keeps_text = true")
    ada = world.person("ada")
    answered(ada, edge, SECRET, "An answer.")
    (row,) = logged(world, "prompt", "output")
    assert SECRET in row["prompt"]
    assert row["output"] == "An answer."
    world.as_dba("update ai.requests set created_at = now() - interval '31 days'")
    world.as_dba("select ai.tidy('{}')")
    assert logged(world, "prompt", "output") == [{"prompt": None, "output": None}]


def test_answers_are_forgotten_on_request(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set keeps_text = true")
    ada, bob = world.person("ada"), world.person("bob")
    answered(ada, edge, SECRET, SECRET)
    answered(bob, edge, "Bob's text.", "Bob's answer.")
    assert ada.row("select forget_my_answers() as count") == {"count": 1}
    assert "Xyzzy" not in everything(world)
    assert start(bob, "Bob's text.")["output"] == "Bob's answer."
    assert start(ada, SECRET)["state"] == "lead"
    assert usage(ada)["count"] == 1


def test_who_asked_very_often_is_forgotten_too(world: World, edge: Edge) -> None:
    """In pages: one transaction has no time for the rows that a few days of repeated questions leave."""
    ada, bob = world.person("ada"), world.person("bob")
    answered(ada, edge, SECRET, key="one")
    for _ in range(6):
        assert start(ada, SECRET, key="one")["cached"]
    answered(bob, edge, "Bob's text.")
    world.as_dba("update ai.requests set created_at = '2026-11-01' where user_id = %s", ada.id)
    replaced(world, "ai.forget_hashes(uuid,timestamptz)", "20000", "3")
    ada.rows("select forget_my_answers()")
    pages = 1
    while jobs := world.as_dba("delete from jobs.queue where kind = 'ai.forget' returning payload"):
        (job,) = jobs
        world.as_dba("select ai.go_on_forgetting(%s::jsonb)", json.dumps(job["payload"]))
        pages += 1
    assert pages == 3
    kept = world.as_dba("select distinct user_id from ai.requests where key is not null")
    assert kept == [{"user_id": bob.id}]
    assert world.as_dba("select from core.idempotency_keys where user_id = %s", ada.id) == []


def test_what_is_under_way_is_given_and_not_kept(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set keeps_text = true")
    ada = world.person("ada")
    led = start(ada, SECRET)
    ada.rows("select forget_my_answers()")
    assert edge.finish(led["request_id"], SECRET)["output"] == SECRET
    assert "Xyzzy" not in everything(world)
    assert follow(ada, led["request_id"]) == {"state": "gone"}
    assert usage(ada)["count"] == 1


def test_who_is_deleted_leaves_no_answers(world: World, edge: Edge) -> None:
    world.as_dba("update ai.features set keeps_text = true")
    ada = world.person("ada")
    answered(ada, edge, SECRET, SECRET)
    led = start(ada, f"Again: {SECRET}")
    world.as_auth_service("delete from auth.users where id = %s", ada.id)
    edge.finish(led["request_id"], SECRET)
    assert "Xyzzy" not in everything(world)
    with refused("not_authenticated"):
        start(ada, SECRET)


def test_a_deleted_organization_leaves_no_answers(world: World, edge: Edge) -> None:
    ada = world.person("ada")
    acme = organization(ada, world=world)
    answered(ada, edge, {"project_id": project(ada, organization=acme)}, SECRET)
    ada.rows("select delete_organization(%s)", acme)
    assert "Xyzzy" not in everything(world)


def test_no_client_reads_or_writes_any_of_it(world: World) -> None:
    statements = ("select from ai.{}", "delete from ai.{}", "insert into ai.{} default values")
    for caller in (world.person("ada"), world.anon, world.service):
        for table in ("models", "features", "requests", "answers"):
            for statement in statements:
                with refused("42501"):
                    caller.rows(statement.format(table))


REPORTS = [
    "ai.start_completion('summarize', '{}', '{}', null, '1 second')",
    "edge.finish_completion(gen_random_uuid(), 'free', false, '{}', 0, 0)",
    "edge.fail_completion(gen_random_uuid(), 'free', '{}', 0, false, 0)",
    "edge.renew_completion(gen_random_uuid(), '1 second')",
    "ai.abandon(gen_random_uuid())",
    "ai.forget(gen_random_uuid())",
]


def test_no_client_reports_a_call(world: World) -> None:
    ada = world.person("ada")
    for call in REPORTS:
        with refused("42501"):
            ada.rows("select " + call)


def test_visitors_ask_nothing(world: World) -> None:
    with refused("42501"):
        start(world.anon)
