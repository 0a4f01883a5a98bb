"""The environment is created completely, or it is said what is missing."""

from __future__ import annotations

import ast
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
