"""What the documents promise is what happens."""

import json
import os
import re
import subprocess
import tomllib

import httpx

from scripts.stack.settings import ROOT
from scripts.stack.toolchain import NODE

README = (ROOT / "README.md").read_text()


def test_the_client_example_runs_and_prints_what_its_comments_say(stack: dict[str, str]) -> None:
    (example,) = re.findall(r"```js\n(.*?)```", README, re.DOTALL)
    finished = subprocess.run(
        [NODE, "--input-type=module", "--eval", example],
        cwd=ROOT,
        env=os.environ | stack,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == re.findall(r"console\.log\(.*\); // (.*)", example)


def test_the_promised_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_problem_in_errors_md_is_what_the_edge_answers(stack: dict[str, str]) -> None:
    examples = re.findall(r"```json\n(.*?)```", (ROOT / "ERRORS.md").read_text(), re.DOTALL)
    documented, answered = json.loads(examples[-1]), httpx.get(f"{stack['EDGE_URL']}/v1/me").json()
    assert documented | {"request_id": answered["request_id"]} == answered


def test_every_dependency_has_its_reason_in_the_architecture() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    package = json.loads((ROOT / "package.json").read_text())
    names = {re.split(r"[\[=]", requirement)[0] for requirement in python}
    names |= {*package["dependencies"], *package["devDependencies"]}
    reasons = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies, and why")[2]
    assert [name for name in sorted(names) if name not in reasons] == []
