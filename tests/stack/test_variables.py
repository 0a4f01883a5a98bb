"""stack.env and the secrets behind it."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess

import jwt
import psycopg

from scripts.stack.stack import Stack
from scripts.stack.toolchain import NODE


def test_a_shell_reads_the_variables(local_stack: Stack) -> None:
    script = f"set -a; . {shlex.quote(str(local_stack.settings.env_file))}; env -0"
    output = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={}
    ).stdout
    read = dict(line.split("=", 1) for line in output.split("\0") if line)
    assert read | local_stack.env == read


def test_a_dotenv_parser_reads_the_variables(local_stack: Stack) -> None:
    script = "console.log(JSON.stringify(util.parseEnv(fs.readFileSync(process.argv[1], 'utf8'))))"
    command = [NODE, "-e", script, str(local_stack.settings.env_file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(output) == local_stack.env


def test_secrets_are_readable_by_their_owner_only(local_stack: Stack) -> None:
    state = local_stack.settings.state
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (state / "secrets.json", state / "stack.env")
    }
    assert modes == {"secrets.json": 0o600, "stack.env": 0o600}


def test_api_keys_are_signed_for_their_role(stack: dict[str, str]) -> None:
    for name, role in {"SUPABASE_ANON_KEY": "anon", "SUPABASE_SERVICE_ROLE_KEY": "service_role"}.items():
        claims = jwt.decode(stack[name], stack["SUPABASE_JWT_SECRET"], algorithms=["HS256"])
        assert claims["role"] == role


def test_every_database_url_logs_in_as_its_role(stack: dict[str, str]) -> None:
    expected = {
        "DATABASE_URL": "postgres",
        "EDGE_DATABASE_URL": "edge_service",
        "AUTHENTICATOR_DATABASE_URL": "authenticator",
    }
    for name, role in expected.items():
        with psycopg.connect(stack[name]) as connection:
            assert connection.execute("select current_user").fetchone() == (role,)
