"""What a stack keeps is in its state directory: no other user sees it, no commit takes it along."""

from __future__ import annotations

import os
import shutil
import signal
import smtplib
import stat
import subprocess
import sys
from pathlib import Path

from scripts.stack.processes import wait_until
from scripts.stack.settings import HOST, ROOT
from tests.gateway.mailbox import Mailbox
from tests.stack.terminal import Terminal


def send(terminal: Terminal) -> Path:
    """Send a mail through the mailbox of this stack; returns where its files are."""
    with smtplib.SMTP(HOST, terminal.stack.settings.smtp_port) as smtp:
        mail = "To: b@example.com\nSubject: Hello\n\nHere I am.\n"
        smtp.sendmail("a@example.com", ["b@example.com"], mail)
    return terminal.state / "tmp" / "mailbox"


def test_mail_arrives_whoever_has_the_shared_directory(terminal: Terminal, tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    (shared / "maildev").write_text("Nobody can write a mail in here, not even root.")
    terminal.env["TMPDIR"] = str(shared)
    terminal.run("up", "mailbox")

    directory = send(terminal)

    assert Mailbox(terminal.stack.settings.mail_url).latest("b@example.com").subject == "Hello"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in shared.iterdir()] == ["maildev"]


def test_a_killed_part_leaves_no_temporary_files(terminal: Terminal) -> None:
    terminal.run("up", "mailbox")
    directory = send(terminal)
    assert [*directory.rglob("*.eml")]
    os.kill(terminal.pid("mailbox"), signal.SIGKILL)
    terminal.run("up", "mailbox")
    assert not [*directory.rglob("*.eml")]
    terminal.run("down")
    assert not directory.exists()


def test_git_sees_no_state_directory(terminal: Terminal, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    terminal.run("up", "google")
    assert (terminal.state / "stack.env").exists()
    assert untracked(tmp_path) == ""


def test_git_sees_no_second_state_directory_that_an_older_stack_made(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in (".local", ".local-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secrets.json").write_text("{}")
    assert untracked(tmp_path) == "?? .gitignore\n"


def test_a_directory_with_other_files_is_not_hidden(terminal: Terminal) -> None:
    terminal.state.mkdir()
    (terminal.state / "mine.txt").write_text("mine")
    terminal.run("up", "google")
    assert not (terminal.state / ".gitignore").exists()


def test_an_interrupted_generator_leaves_no_database(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.generate", "contract", "--check"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as generator:
        assert wait_until(lambda: bool([*tmp_path.glob("*/run/postgres.json")]), 30)
        (state,) = tmp_path.iterdir()
        generator.terminate()
        _, said = generator.communicate(timeout=30)
    assert (generator.returncode, said) == (1, "Interrupted.\n")
    assert [*tmp_path.iterdir()] == []
    assert Terminal(state, port=0).processes() == []


def untracked(repository: Path) -> str:
    return git(repository, "status", "--porcelain", "--untracked-files=all")


def git(directory: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout
