"""Staging mail and seeing what became of it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from tests.acting import Row
from tests.emails.mail_server import MailServer
from tests.jobs.queueing import Queue
from tests.worker.process import Process, drained, eventually, worker

MOMENT = "2026-02-28T23:59:00+00:00"


def stage(queue: Queue, to: str = "ada@example.com", dedupe_key: str = "a cause", **options: Any) -> str:
    """Stage one mail, committed; returns its id."""
    template = options.pop("template", "password_changed")
    params = options.pop("params", {"changed_at": MOMENT})
    (row,) = queue.world.as_dba(
        "select jobs.email(%s, %s, %s, %s, %s)::text as id",
        template, to, json.dumps(params), dedupe_key, options.pop("user_id", None),
    )  # fmt: skip
    id_: str = row["id"]
    return id_


def email(queue: Queue, id_: str) -> Row:
    (row,) = queue.world.as_dba("select * from jobs.emails where id = %s", id_)
    return row


def sending(
    queue: Queue, server: MailServer, *command: str, **environ: str
) -> AbstractContextManager[Process]:
    """A worker that sends through this server."""
    return worker(queue, *(command or ("edge.worker",)), SMTP_URL=server.url, **environ)


def send_all(queue: Queue, server: MailServer) -> None:
    """Let a worker do all that waits."""
    with sending(queue, server):
        eventually(lambda: drained(queue), "mail is left over")
