"""The environment is created completely, or it is said what is missing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bootstrap
from scripts.stack.settings import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose locks cannot be installed."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "bootstrap.py", tmp_path / "scripts")
    (tmp_path / "requirements.lock").write_text("this is no requirement\n")
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package-lock.json").write_text("{}")
    return tmp_path


def test_an_old_python_can_read_what_it_is_told() -> None:
    ast.parse((ROOT / "scripts" / "bootstrap.py").read_text(), feature_version=(3, 6))


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10\.4"):
        bootstrap.require_python()


def test_a_python_that_does_not_run_is_not_suggested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executable(tmp_path / "python3.30", "echo 'python3.30: command not found'; exit 127")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"make PYTHON=python3\.12$"):
        bootstrap.require_python()


@pytest.mark.parametrize(
    ("works", "arguments", "is_kept"),
    [(True, [], True), (True, [bootstrap.CHOSEN], False), (False, [], False)],
)
def test_the_present_environment_keeps_its_python_unless_another_is_named(
    checkout: Path, works: bool, arguments: list[str], is_kept: bool
) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    executable(checkout / ".venv" / "bin" / "python", f"echo present Python: $2; exit {0 if works else 127}")
    command = [sys.executable, str(checkout / "scripts" / "bootstrap.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout == f"present Python: {bootstrap.CHOSEN}\n") is is_kept
    assert ("Installing Python packages" in result.stderr) is not is_kept


@pytest.mark.parametrize(("chosen", "said"), [([], False), (["PYTHON=python3"], True)])
def test_make_says_whether_a_python_was_named(chosen: list[str], said: bool) -> None:
    assert (bootstrap.CHOSEN in make(ROOT, "--dry-run", "env", *chosen).stdout) is said


@pytest.mark.parametrize("target", ["down", "status", "logs"])
def test_looking_and_stopping_install_nothing(checkout: Path, target: str) -> None:
    shutil.copy(ROOT / "Makefile", checkout)
    result = make(checkout, target)
    assert result.returncode != 0
    assert result.stderr.startswith("Nothing is installed here. Run 'make env' first.\n")
    assert not (checkout / ".venv").exists()

    (checkout / ".venv" / "bin").mkdir(parents=True)
    executable(checkout / ".venv" / "bin" / "python", 'echo "$@"')
    assert make(checkout, target).stdout.split() == ["-m", "scripts.stack", target]


@pytest.mark.parametrize("launcher", ["policies", "generate"])
def test_commands_of_a_fresh_clone_say_what_is_missing(checkout: Path, launcher: str) -> None:
    shutil.copy(ROOT / "scripts" / launcher, checkout / "scripts")
    command = [str(checkout / "scripts" / launcher)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "Run 'make env' first.\n")


def test_a_python_without_venv_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match=r"apt install python3\.\d+-venv"):
        bootstrap.require_python()


def test_too_little_room_is_said_before_installing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEEDED_BYTES", 1024**6)
    with pytest.raises(SystemExit, match=r"has \d+ MB free; the environment needs about"):
        bootstrap.install()


def test_a_failed_install_shows_the_tools_words_and_is_not_taken_for_done(checkout: Path) -> None:
    command = [sys.executable, str(checkout / "scripts" / "bootstrap.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Installing Python packages and Node.js failed" in result.stderr
    assert "Invalid requirement" in result.stderr
    assert "Then run the command again." in result.stderr
    assert "Traceback" not in result.stderr
    assert (checkout / ".venv").exists()
    assert not (checkout / ".venv" / "groundwork.stamp").exists()


def test_each_lock_is_part_of_what_current_means(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    for name in ("VENV_STAMP", "MODULES_STAMP"):
        monkeypatch.setattr(bootstrap, name, checkout / name)
    for name in ("requirements.lock", "package-lock.json", "package.json"):
        (checkout / "VENV_STAMP").write_text(bootstrap.venv_state())
        (checkout / "MODULES_STAMP").write_text(bootstrap.modules_state())
        assert bootstrap.is_current()
        with (checkout / name).open("a") as file:
            file.write("\n")
        assert not bootstrap.is_current()


def executable(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a person at a terminal runs it, also when these tests are run by make."""
    env = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}
    }
    command = ["make", "--silent", *arguments]
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)
