"""From the schedule to the mailbox: a slot comes, each Pro user gets one mail, and may end it by a click."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import httpx

from tests.edge.conftest import (
    ai_accounts,
    auth,
    edge_database_url,
    environment,
    start_edge,
    stripe_api_base,
)
from tests.edge.process import EdgeProcess
from tests.emails.mail_server import MailServer, bodies
from tests.emails.outbox import send_all
from tests.identity.summaries import pro, project, task
from tests.jobs.queueing import Queue

StartEdge = Callable[..., AbstractContextManager[EdgeProcess]]
__all__ = ["ai_accounts", "auth", "edge_database_url", "environment", "start_edge", "stripe_api_base"]


def summarize(queue: Queue, server: MailServer, slot: datetime) -> str:
    """The slot comes, and a worker does all that follows from it."""
    outcome: str = queue.ask("select edge.fire_schedule('daily_summary', %s)", slot)
    send_all(queue, server)
    return outcome


def test_a_pro_user_is_mailed_once_a_day_until_they_unsubscribe(
    queue: Queue, server: MailServer, start_edge: StartEdge
) -> None:
    ada, grace = pro(queue.world, "ada"), pro(queue.world, "grace")
    queue.world.person("free")
    task(ada, project(ada, "Notes"), "Write note G")
    slot = datetime.now(UTC)
    assert summarize(queue, server, slot) == "fired"
    assert summarize(queue, server, slot) == "taken"

    mails = {mail["To"]: mail for mail in server.taken}
    assert sorted(mails) == [ada.email, grace.email]
    assert len(server.taken) == 2
    for body in bodies(mails[ada.email]):
        assert "Write note G" in body
        assert "Notes" in body
    for body in bodies(mails[grace.email]):
        assert "nothing changed" in body
        assert "Write note G" not in body
    (run,) = queue.world.as_dba("select status, counts from public.job_runs where schedule = 'daily_summary'")
    assert run["status"] == "done"
    assert run["counts"] == {"users": 2, "staged": 2, "unsubscribed": 0, "failed": 0}

    assert mails[ada.email]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mails[ada.email]["List-Unsubscribe"].strip("<>")
    with start_edge() as edge:
        url = link.replace("https://edge.example.com", edge.url)
        assert httpx.post(url, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    server.taken.clear()
    queue.world.as_dba("delete from public.job_runs")
    queue.world.as_dba("update jobs.emails set dedupe_key = 'yesterday ' || id")
    queue.world.as_dba("update jobs.schedules set last_slot = null where name = 'daily_summary'")
    assert summarize(queue, server, slot) == "fired"
    assert [mail["To"] for mail in server.taken] == [grace.email]
