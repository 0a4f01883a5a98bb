"""Edge, queue, worker and schedules through PgBouncer in transaction mode: two connections for everybody.

Whatever a client leaves on its connection the next client finds, and nobody can hold one.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp

from edge import queries
from edge.app import create_app
from edge.auth import User
from edge.database import Database
from edge.settings import Secret, load_settings
from scripts.stack.errors import StackError
from scripts.stack.pooler import find_pooler
from tests.edge.auth_server import AuthServer
from tests.pooler.conftest import SERVERS, Pooled
from tests.worker.process import drained, eventually, worker

JOBS = 200
PEOPLE = 12


def test_each_request_acts_as_its_own_person(
    pooled: Pooled, environment: dict[str, str], auth: AuthServer
) -> None:
    people = [pooled.queue.world.person(f"person{n}") for n in range(PEOPLE)]
    headers = [{"Authorization": f"Bearer {auth.token(person.id)}"} for person in people]
    app = create_app(load_settings({**environment, "EDGE_POOL_SIZE": str(PEOPLE)}))

    def ask(client: TestClient[ASGIApp], n: int) -> tuple[str, str]:
        who = n % PEOPLE
        answer = client.get("/v1/me", headers=headers[who])
        assert answer.status_code == 200, answer.text
        return answer.json()["email"], people[who].email

    with TestClient(app) as client, ThreadPoolExecutor(PEOPLE) as threads:
        answers = list(threads.map(lambda n: ask(client, n), range(PEOPLE * 20)))
        assert client.get("/health/ready").status_code == 200
        assert pooled.clients() > SERVERS
        assert pooled.servers() <= SERVERS
    assert [told for told, _ in answers] == [email for _, email in answers]


async def roles_after_a_person(url: str, user: User) -> set[str]:
    """As whom the service acts, on connections of its own, after a person's requests on others."""
    persons, service = Database(Secret(url), SERVERS), Database(Secret(url), SERVERS)
    async with persons.opened(), service.opened():
        for _ in range(10):
            await asyncio.gather(
                *(persons.on_behalf_of(user).call("select pg_sleep(0.01)") for _ in range(4))
            )
        calls = (service.as_service().call("select current_user::text") for _ in range(20))
        return set(await asyncio.gather(*calls))


@pytest.mark.parametrize("local", [True, False], ids=["as it is", "with settings of the session"])
def test_nothing_of_a_person_stays_behind(
    pooled: Pooled, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    """The second is the control: what is not `set local` is found by whoever has the connection next."""
    if not local:
        monkeypatch.setattr(queries, "ACT_AS_USER", queries.ACT_AS_USER.replace("true", "false"))
    person = pooled.queue.world.person("ada")
    user = User(id=person.id, claims='{"role": "authenticated"}')
    roles = asyncio.run(roles_after_a_person(pooled.url, user))
    assert roles == {"edge_service"} if local else "authenticated" in roles


def test_a_fleet_does_every_job_once_though_workers_are_killed(pooled: Pooled, tmp_path: Path) -> None:
    queue, crashes = pooled.queue, tmp_path / "crashes"
    crashes.mkdir()
    queue.world.as_dba(
        "select jobs.enqueue("
        "'test.' || (array['sql', 'python'])[1 + g / 20 %% 2], jsonb_build_object('n', g))"
        " from generate_series(1, %s) as g",
        JOBS,
    )
    clients, servers = [], []
    with worker(queue, "tests.worker.fleet", "4", str(crashes), "sound", WORKER_CONCURRENCY="4"):
        while not drained(queue):
            clients.append(pooled.clients())
            servers.append(pooled.servers())
    assert len(list(crashes.iterdir())) == JOBS // 20, "so many workers were killed"
    assert max(clients) > 2 * SERVERS
    assert max(servers) <= SERVERS
    queue.assert_each_effect_once(JOBS)


def test_heartbeats_keep_a_job_longer_than_its_lease(pooled: Pooled) -> None:
    """While SQL jobs occupy the connections now and then; their own leases are their row locks."""
    queue = pooled.queue
    queue.world.as_dba("update jobs.kinds set max_lost_leases = 1")  # whoever loses one is dead
    queue.stage_effects(1, seconds=3)
    queue.world.as_dba(
        "select jobs.enqueue_all('test.sql', array(select jsonb_build_object('n', g, 'seconds', 0.2)"
        " from generate_series(2, 11) as g))"
    )
    with (
        worker(queue, "tests.worker.doomed", "never", "sound"),
        worker(queue, "tests.worker.doomed", "never", "sound"),
    ):
        eventually(lambda: drained(queue), "jobs are left over")
    queue.assert_each_effect_once(11)


def test_without_a_pooler_it_is_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("scripts.stack.pooler._SBIN", str(tmp_path))
    with pytest.raises(StackError, match="not on the PATH, and this machine has no apt"):
        find_pooler(tmp_path)


def test_a_slot_is_fired_once(pooled: Pooled) -> None:
    queue = pooled.queue
    queue.world.as_dba(
        "insert into jobs.schedules (name, cron, kind, payload, since)"
        " values ('hourly', '0 * * * *', 'test.sql', '{\"n\": 1}', now() - interval '2 days')"
    )
    with (
        worker(queue, "tests.worker.doomed", "never", "sound"),
        worker(queue, "tests.worker.doomed", "never", "sound"),
    ):
        eventually(lambda: queue.effects() != [], "nothing fires")
        eventually(lambda: drained(queue), "its job is left over")
    assert queue.world.as_dba("select status from public.job_runs") == [{"status": "done"}]
    queue.assert_each_effect_once(1)
