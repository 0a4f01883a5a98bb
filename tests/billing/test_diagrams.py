"""The diagrams of the architecture are the table of transitions."""

import re

import pytest

from scripts.stack.settings import ROOT
from tests.acting import World


def drawn(machine: str) -> set[tuple[str, str]]:
    """The arrows of a machine's diagram in ARCHITECTURE.md."""
    document = (ROOT / "ARCHITECTURE.md").read_text()
    (section,) = re.findall(rf"### {machine.capitalize()}\n(.*?)\n##", document, re.DOTALL)
    arrows = re.findall(r"^ +(\S+) --> (\w+)$", section, re.MULTILINE)
    return {("" if start == "[*]" else start, end) for start, end in arrows}


@pytest.mark.parametrize("machine", ["order", "payment", "refund"])
def test_the_diagram_shows_what_the_database_allows(world: World, machine: str) -> None:
    rows = world.as_dba("select from_status, to_status from billing.transitions where machine = %s", machine)
    assert drawn(machine) == {(row["from_status"], row["to_status"]) for row in rows}
