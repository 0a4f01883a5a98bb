"""Buckets are unlogged: a crash of Postgres gives everybody a full one, and nothing else is different."""

from __future__ import annotations

from pathlib import Path

from tests.acting import World, refused
from tests.crashes import doomed_server, kill_postgres
from tests.metering.limits import limit


def test_after_a_crash_buckets_are_full_and_limits_are_what_they_were(tmp_path: Path) -> None:
    with doomed_server(tmp_path) as server:
        world = World(server.superuser_url(), server.url("postgres"), server.url("authenticator"))
        ada = world.person("ada")
        limit(world, "projects", 1)
        for crash in (True, False):
            ada.rows("insert into projects (name) values ('p')")
            with refused("rate_limited"):
                ada.rows("insert into projects (name) values ('p')")
            if crash:
                kill_postgres(server)
                server.up(("postgres",), migrations=False)
                assert world.as_dba("select key from metering.buckets") == []
        assert len(ada.rows("select id from projects")) == 2
