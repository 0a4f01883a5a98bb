"""What may be staged, and how staged mail ends without being sent."""

from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import ClientCursor
from psycopg.rows import dict_row

from tests.acting import refused
from tests.emails.outbox import MOMENT, email, stage
from tests.jobs.queueing import Queue


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        ("template", {"template": "of_nobody"}),
        ("to", {"to": "not an address"}),
        ("to", {"to": "ada@example.com\nBcc: eve@example.com"}),
        ("to", {"to": None}),
        ("dedupe_key", {"dedupe_key": None}),
        ("dedupe_key", {"dedupe_key": "x" * 201}),
        ("params.changed_at", {"params": {}}),
        ("params.changed_at", {"params": {"changed_at": "yesterday"}}),
        ("params.changed_at", {"params": {"changed_at": "9999-99-99T99:99"}}),
        ("to", {"to": "a(b)@example.com"}),
        ("to", {"to": "a[b@example.com"}),
        ("params.changed_at", {"params": {"changed_at": 5}}),
        ("params.more", {"params": {"changed_at": MOMENT, "more": 1}}),
        ("params", {"params": []}),
    ],
)
def test_a_mail_that_could_not_be_sent_is_not_staged(
    queue: Queue, field: str, mistake: dict[str, Any]
) -> None:
    with refused("validation_failed", field=field):
        stage(queue, **mistake)
    assert queue.world.as_dba("select id from jobs.queue") == []


STAGE: LiteralString = """
    insert into jobs.emails (template, "to", params, dedupe_key)
    select 'password_changed', 'ada@example.com', jsonb_build_object('changed_at', now()), (g / 2)::text
    from generate_series(0, 9) as g
    on conflict (dedupe_key) do nothing
"""


def test_a_cause_that_is_taken_back_takes_its_mail_along(queue: Queue) -> None:
    with psycopg.connect(queue.world.database_url) as connection:
        connection.execute(STAGE)
        connection.rollback()
    assert queue.world.as_dba("select id from jobs.queue") == []


def test_many_mails_are_staged_in_one_statement(queue: Queue) -> None:
    queue.world.as_dba(STAGE)
    jobs = queue.world.as_dba("select payload ->> 'email_id' as id from jobs.queue")
    mails = queue.world.as_dba("select id::text from jobs.emails")
    assert len(jobs) == len(mails) == 5
    assert {row["id"] for row in jobs} == {row["id"] for row in mails}


def test_a_withdrawn_mail_is_erased_and_its_job_finds_nothing_to_do(queue: Queue) -> None:
    id_ = stage(queue)
    queue.world.as_dba("select jobs.end_emails(array[%s::uuid], 'withdrawn', 'its cause is gone')", id_)
    (job,) = queue.claim()
    assert queue.ask("select edge.start_email(%s, %s, 'example.com')", job["id"], job["lease"]) is None
    row = email(queue, id_)
    assert (row["status"], row["to"], row["params"]) == ("withdrawn", None, {})


def test_an_ended_mail_cannot_keep_what_it_said(queue: Queue) -> None:
    id_ = stage(queue)
    with refused("23514"):
        queue.world.as_dba(
            "update jobs.emails set status = 'withdrawn', reason = 'x', ended_at = now() where id = %s", id_
        )


def test_a_mail_that_waits_for_a_month_expires_and_old_ones_are_deleted(queue: Queue) -> None:
    old, ancient, young = (stage(queue, dedupe_key=key) for key in ("old", "ancient", "young"))
    age: LiteralString = "update jobs.emails set created_at = now() - %s::interval where id = %s"
    queue.world.as_dba(age, "31 days", old)
    queue.world.as_dba(age, "401 days", ancient)
    (counts,) = queue.world.as_dba("select jobs.clean_up('{}') as counts")
    assert (counts["counts"]["expired_emails"], counts["counts"]["emails"]) == (2, 1)
    assert (email(queue, old)["status"], email(queue, young)["status"]) == ("expired", "queued")
    assert queue.world.as_dba("select id from jobs.emails where id = %s", ancient) == []


def test_bulk_mail_leaves_bounced_addresses_alone_and_a_delivery_rehabilitates(queue: Queue) -> None:
    queue.world.as_dba("insert into jobs.email_templates values ('newsletter', 'news', '{}', 'of this test')")
    queue.world.as_dba("insert into jobs.bounced_addresses values ('ada@example.com', '550 no such user')")
    bulk = stage(queue, template="newsletter", params={}, dedupe_key="news 1")
    assert start(queue) is None
    assert email(queue, bulk)["status"] == "withdrawn"

    stage(queue, dedupe_key="transactional")
    assert start(queue, finish=True), "transactional mail still tries"
    again = stage(queue, template="newsletter", params={}, dedupe_key="news 2")
    assert start(queue)["unsubscribe_token"] == str(email(queue, again)["unsubscribe_token"])


def start(queue: Queue, *, finish: bool = False) -> Any:
    queue.pass_time()
    (job,) = queue.claim()
    content = queue.ask("select edge.start_email(%s, %s, 'example.com')", job["id"], job["lease"])
    if finish:
        queue.call("select edge.finish_email(%s, %s)", job["id"], job["lease"])
    else:
        queue.complete(job)
    return content


@pytest.mark.parametrize(
    "read",
    [
        "select * from jobs.emails",
        "select * from jobs.email_templates",
        "select * from jobs.bounced_addresses",
    ],
)
def test_nobody_but_the_queue_sees_the_outbox(queue: Queue, read: LiteralString) -> None:
    stage(queue)
    for caller in (queue.world.person("ada"), queue.world.anon, queue.world.service):
        with refused("42501"):
            caller.rows(read)
    with refused("42501"):
        queue.call(read)


def test_a_parameter_that_may_be_null_may_be_left_out(queue: Queue) -> None:
    queue.world.as_dba(
        "insert into jobs.email_templates values ('greeting', null, '{\"name\": \"text?\"}', 'a test')"
    )
    stage(queue, template="greeting", params={})
    assert start(queue)["params"] == {"name": None}


VALUES = (
    "null", "true", "1", "1.0", "-7", "1e3", "0.5", "{}", "[]", "[null]", "[1]", '["a"]', '"a"', '""', '"1"',
    '"null"',     '"2026-02-28T10:00:00+00:00"', '"2026-02-29T10:00:00+00:00"',
    '"2026-13-01T10:00:00Z"', '"2026-01-01T24:00:00Z"',
    '"2026-01-01T10:00"', '"2026-01-01"', '["2026-02-28T10:00:00Z"]', '"x2026-02-28T10:00:00Z"',
    '"00000000-0000-4000-8000-000000000000"', '["00000000-0000-4000-8000-000000000000"]',
    '"00000000-0000-4000-8000-00000000000"', '"{00000000-0000-4000-8000-000000000000}"',
    '"00000000-0000-4000-8000-000000000000\\n"',
)  # fmt: skip
TYPES = ("text", "integer", "number", "boolean", "timestamp", "uuid", "list")
BOTH_WAYS: LiteralString = """
    create function pg_temp.is_refused(declared jsonb, params jsonb) returns boolean language plpgsql as $$
    begin
        perform jobs.require_params('t', declared, params);
        return false;
    exception when sqlstate 'PT422' then
        return true;
    end
    $$;
    select
        declared, params, coalesce(params @@ jobs.path_of(declared), false) as is_usual,
        pg_temp.is_refused(declared, params) as is_refused
    from unnest(%s::text[]) as t (type)
    cross join lateral (select jsonb_build_object('a b', t.type)) as d (declared)
    cross join unnest(%s::jsonb[]) as v (value)
    cross join lateral (
        values
        (jsonb_build_object('a b', v.value)), (jsonb_build_object('a b', v.value, 'c', 1)),
        (jsonb_build_object('c', v.value)), ('{}')
    ) as p (params)
"""


def test_parameters_that_pass_at_a_glance_pass_one_by_one(queue: Queue) -> None:
    with psycopg.connect(
        queue.world.database_url, row_factory=dict_row, cursor_factory=ClientCursor
    ) as connection:
        cursor = connection.execute(BOTH_WAYS, [[*TYPES, *(f"{t}?" for t in TYPES)], list(VALUES)])
        assert cursor.nextset()
        rows = cursor.fetchall()
    assert [row for row in rows if row["is_usual"] and row["is_refused"]] == []
    usual = {row["declared"]["a b"] for row in rows if row["is_usual"] and row["params"]}
    assert usual == {*TYPES, *(f"{t}?" for t in TYPES)}, "else it would glance at nothing"


def test_a_template_stays_while_there_is_mail_of_it(queue: Queue) -> None:
    queue.world.as_dba("insert into jobs.email_templates values ('greeting', null, '{}', 'a test')")
    stage(queue, template="greeting", params={})
    with refused("invalid_state"):
        queue.world.as_dba("delete from jobs.email_templates where template = 'greeting'")
    with refused("invalid_state"):
        queue.world.as_dba("update jobs.email_templates set template = 'other' where template = 'greeting'")
    queue.world.as_dba("update jobs.email_templates set description = 'words' where template = 'greeting'")


def test_a_mail_that_is_none_is_refused_whoever_inserts_it(queue: Queue) -> None:
    insert: LiteralString = 'insert into jobs.emails (template, "to", dedupe_key) values (%s, %s, %s)'
    for template, to, key, field in (
        ("of_nobody", "ada@example.com", "x", "template"),
        ("password_changed", "nowhere", "x", "to"),
        ("password_changed", "ada@example.com", "a\nb", "dedupe_key"),
    ):
        with refused("validation_failed", field=field):
            queue.world.as_dba(insert, template, to, key)
    with refused("23514"):
        queue.world.as_dba(insert, "password_changed", None, "x")


def test_a_mail_whose_job_is_dropped_is_withdrawn(queue: Queue) -> None:
    id_ = stage(queue)
    (job,) = queue.world.as_dba("select id from jobs.queue")
    queue.world.as_dba("select jobs.drop(%s, 'a test')", job["id"])
    row = email(queue, id_)
    assert (row["status"], row["to"]) == ("withdrawn", None)
