"""What the README promises is what happens."""

import os
import re
import subprocess

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
