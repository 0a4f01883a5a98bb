"""What a worker does with staged mail: sent once, refused for good, tried again."""

import asyncio
import re
import signal
from email.message import EmailMessage

import pytest

from edge.emails.smtp import BouncedError, MailServerError, Smtp, SmtpServer
from tests.acting import refused
from tests.emails.mail_server import MailServer, bodies
from tests.emails.outbox import MOMENT, email, send_all, sending, stage
from tests.jobs.queueing import Queue
from tests.worker.process import PATIENCE, eventually, start


def test_a_mail_arrives_as_text_and_html_and_is_then_forgotten(queue: Queue, server: MailServer) -> None:
    id_ = stage(queue, to=" Ada@Example.com ")
    send_all(queue, server)

    (mail,) = server.taken
    assert mail["To"] == "ada@example.com"
    assert mail["From"] == "Groundwork <noreply@example.com>"
    assert mail["Subject"] == "Your password at Groundwork was changed"
    assert mail["Message-ID"] == f"<{id_}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None, "transactional mail cannot be unsubscribed from"
    text, html = bodies(mail)
    assert "28 February 2026, 23:59 UTC" in text
    assert "https://app.example.com" in html

    row = email(queue, id_)
    assert (row["status"], row["to"], row["params"]) == ("sent", None, {})
    assert row["message_id"] == f"<{id_}@example.com>"


def test_one_cause_makes_one_mail(queue: Queue, server: MailServer) -> None:
    first = stage(queue)
    assert stage(queue) == first
    send_all(queue, server)
    assert stage(queue) == first, "also after it was sent"
    send_all(queue, server)
    assert len(server.taken) == 1


@pytest.mark.parametrize(("step", "copies"), [("before_sending", 1), ("after_sending", 2)])
def test_a_mail_survives_the_worker_under_the_same_message_id(
    queue: Queue, server: MailServer, step: str, copies: int
) -> None:
    """Between the mail server's yes and our commit lies the one window in which a mail is doubled."""
    crash_and_send(queue, server, step, "sound", copies)


def test_a_mailer_that_renames_its_mails_is_caught(queue: Queue, server: MailServer) -> None:
    with pytest.raises(AssertionError, match="Message-IDs"):
        crash_and_send(queue, server, "after_sending", "renames", copies=2)


def crash_and_send(queue: Queue, server: MailServer, step: str, variant: str, copies: int) -> None:
    id_ = stage(queue)
    doomed = start(queue, "tests.emails.doomed_mailer", step, variant, SMTP_URL=server.url)
    assert doomed.wait(PATIENCE) == -signal.SIGKILL
    queue.expire_leases()
    send_all(queue, server)
    assert email(queue, id_)["status"] == "sent"
    assert len(server.taken) == copies
    assert len({mail["Message-ID"] for mail in server.taken}) == 1, "different Message-IDs"


def test_a_worker_that_lost_its_mail_to_another_cannot_end_it(queue: Queue) -> None:
    id_ = stage(queue)
    (old,) = queue.claim()
    queue.ask("select edge.start_email(%s, %s, 'example.com')", old["id"], old["lease"])
    queue.expire_leases()
    queue.reap()
    queue.pass_time()
    (new,) = queue.claim()
    for late in (
        "select edge.start_email(%s, %s, 'example.com')",
        "select edge.finish_email(%s, %s)",
        "select edge.bounce_email(%s, %s, 'no', true)",
    ):
        with refused("invalid_state", rule="lease_lost"):
            queue.call(late, old["id"], old["lease"])
    assert email(queue, id_)["status"] == "queued"
    queue.call("select edge.finish_email(%s, %s)", new["id"], new["lease"])
    assert email(queue, id_)["status"] == "sent"


@pytest.mark.parametrize(
    "answer",
    ["550 5.1.1 no such user", "550 no such user", "552 5.2.2 mailbox full", "551 user not local"],
)
def test_a_refused_address_is_not_tried_again(queue: Queue, server: MailServer, answer: str) -> None:
    server.refusals.append(answer)
    id_ = stage(queue)
    send_all(queue, server)
    row = email(queue, id_)
    assert row["status"] == "bounced"
    assert answer[4:].split(" ", 1)[-1] in row["reason"]
    assert server.taken == []
    assert queue.world.as_dba("select * from jobs.finished") == []


def test_refused_content_is_not_tried_again_and_does_not_condemn_the_address(
    queue: Queue, server: MailServer
) -> None:
    server.data_refusals.append("554 5.7.1 looks like spam")
    id_ = stage(queue)
    send_all(queue, server)
    assert email(queue, id_)["status"] == "bounced"
    assert queue.world.as_dba("select * from jobs.bounced_addresses") == []


@pytest.mark.parametrize(
    "answer", ["451 4.3.0 try later", "450 greylisted", "554 5.7.1 relay access denied", "530 5.7.0 log in"]
)
def test_what_may_pass_or_is_our_fault_is_tried_again(queue: Queue, server: MailServer, answer: str) -> None:
    server.refusals.append(answer)
    id_ = stage(queue)
    with sending(queue, server):
        eventually(lambda: waits_again(queue), "the refusal was not reported")
        queue.pass_time()
        eventually(lambda: email(queue, id_)["status"] == "sent", "it was not tried again")
    (mail,) = server.taken
    assert mail["Message-ID"] == f"<{id_}@example.com>"


def waits_again(queue: Queue) -> bool:
    return bool(queue.world.as_dba("select id from jobs.queue where state = 'scheduled' and attempts = 1"))


def test_mail_waits_for_a_server_that_is_away(queue: Queue, server: MailServer) -> None:
    id_ = stage(queue)
    with sending(queue, MailServer(url="smtp://127.0.0.1:9")):
        eventually(lambda: waits_again(queue), "the failure was not reported")
    queue.pass_time()
    send_all(queue, server)
    assert email(queue, id_)["status"] == "sent"


def test_connections_are_used_again(queue: Queue, server: MailServer) -> None:
    for n in range(10):
        stage(queue, dedupe_key=f"cause {n}")
    with sending(queue, server, WORKER_CONCURRENCY="1"):
        eventually(lambda: len(server.taken) == 10, "mail is left over")
    assert len(server.sessions) == 1


def test_a_template_that_only_newer_workers_know_waits_for_one(queue: Queue, server: MailServer) -> None:
    queue.world.as_dba(
        "insert into jobs.email_templates values ('of_tomorrow', null, '{}', 'not yet worded')"
    )
    id_ = stage(queue, template="of_tomorrow", params={})
    with sending(queue, server):
        eventually(
            lambda: bool(queue.world.as_dba("select id from jobs.queue where deferred_since is not null")),
            "it was not put back",
        )
    row = email(queue, id_)
    assert (row["status"], row["to"]) == ("queued", "ada@example.com")


def test_what_people_name_things_stays_text(queue: Queue, server: MailServer) -> None:
    evil = "<script>alert(1)</script> {{ token }} http://evil.example/x www.evil.example"
    params = {
        "organization": evil,
        "inviter": None,
        "role": "member",
        "token": "f" * 64,
        "expires_at": MOMENT,
    }
    stage(queue, template="organization_invitation", params=params)
    send_all(queue, server)
    (mail,) = server.taken
    text, html = bodies(mail)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    for content in (mail["Subject"], text, html):
        assert "{{ token }}" in content
        assert not re.search(r"evil\.example|http://evil", content), "a link"
    assert f"https://app.example.com/invitations/accept?token={'f' * 64}" in text


HEADERS = {
    "Received", "X-Peer", "X-MailFrom", "X-RcptTo", "From", "To", "Subject", "Date", "Message-ID",
    "Auto-Submitted", "MIME-Version", "Content-Type",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?=0D=0AReply-To=3A_evil=40evil=2Eexample?=",
        "=?utf-8?q?=0D=0AX=3Ay=0D=0A=0D=0AReset=3A_https=3A//evil=2Eexample/?=",
        "=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=",
        "Ünïcode " * 20,
    ],
)
def test_a_name_writes_no_headers_and_no_body(queue: Queue, server: MailServer, name: str) -> None:
    params = {"organization": name, "inviter": name, "role": "member", "token": "t", "expires_at": MOMENT}
    stage(queue, template="organization_invitation", params=params)
    send_all(queue, server)
    (mail,) = server.taken
    assert set(mail.keys()) <= HEADERS
    assert mail.is_multipart()
    head, _, _ = server.raw[0].partition(b"\r\n\r\n")
    assert not re.search(rb"(?mi)^(reply-to|bcc|x:y|reset)", head)
    assert "evil.example" not in mail["Subject"]


def test_the_link_of_a_header_travels_as_it_is(queue: Queue, server: MailServer) -> None:
    """Mail programs do not decode it."""
    queue.world.as_dba(
        "update jobs.email_templates set category = 'news' where template = 'password_changed'"
    )
    id_ = stage(queue)
    token = email(queue, id_)["unsubscribe_token"]
    send_all(queue, server)
    line = f"List-Unsubscribe: <https://edge.example.com/unsubscribe?token={token}>"
    assert line.encode() in server.raw[0].splitlines()


def test_whatever_a_server_refuses_with_the_refusal_counts(queue: Queue, server: MailServer) -> None:
    """Its words are kept, but not the address, which must not outlive its owner."""
    server.refusals.append("550 5.1.1 no\0body is <ada@example.com>")
    id_ = stage(queue)
    send_all(queue, server)
    row = email(queue, id_)
    assert row["status"] == "bounced"
    assert "is <<address>>" in row["reason"]


def test_an_answer_that_is_no_utf_8_can_be_kept() -> None:
    as_received = b"5.1.1 Empf\xe4nger".decode(errors="surrogateescape")
    assert str(BouncedError(550, as_received, address_is_dead=True)).encode() == b"550 5.1.1 Empf?nger"


def test_an_address_beyond_ascii_is_written_to(queue: Queue, server: MailServer) -> None:
    stage(queue, to="grüße@example.com")
    send_all(queue, server)
    (mail,) = server.taken
    assert "grüße@example.com" in server.raw[0].decode()
    assert mail["Subject"] == "Your password at Groundwork was changed"


def test_a_server_that_says_nothing_is_left_alone_for_a_while() -> None:
    """Or each mail would wait for it, while other jobs wait for the mails."""
    connections = []

    async def send_two() -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
            port = silent.sockets[0].getsockname()[1]
            smtp = Smtp(SmtpServer.from_url(f"smtp://127.0.0.1:{port}"), timeout=0.2)
            for _ in range(2):
                with pytest.raises(MailServerError, match="in time"):
                    await smtp.send(EmailMessage(), sender="a@example.com", to="b@example.com")

    asyncio.run(send_two())
    assert len(connections) == 1
