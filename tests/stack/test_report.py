"""What `make up` shows at its end."""

from __future__ import annotations

import re

import pytest

from scripts.stack.report import Report
from scripts.stack.settings import ROOT
from scripts.stack.stack import Stack


def test_the_overview_has_every_label_that_the_readme_shows(
    local_stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    (sample,) = re.findall(
        r"^```\n(Data API.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    Report().overview(local_stack.env, local_stack.settings)
    shown, printed = labels(sample), labels(capsys.readouterr().out)
    assert "Mailbox" in shown
    assert shown <= printed


def labels(table: str) -> set[str]:
    return {re.split(" {2,}", line)[0] for line in table.splitlines()}
