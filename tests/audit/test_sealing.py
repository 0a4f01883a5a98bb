"""Sealing beside concurrent writers skips no row, whatever the order of their commits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import LiteralString

import psycopg

from tests.acting import World, refused
from tests.audit.log import seal_all, verdict
from tests.audit.verifier import verify

SEAL: LiteralString = "select audit.seal(7)"

# The same function, but trusting ids: the next rows above the highest that it has sealed.
NAIVE_SEALER: LiteralString = """
    create table naively_sealed (id bigint);
    create function naive_seal() returns void language sql as $$
        insert into naively_sealed
        select l.id from audit.log as l
        where l.id > (select coalesce(max(s.id), 0) from naively_sealed as s)
        order by l.id;
    $$;
"""


def _storm(world: World, seal: Callable[[psycopg.Connection[tuple[object, ...]]], object]) -> None:
    """Writers whose commits overtake each other, and a sealer that runs all the while."""
    stop = threading.Event()

    def write(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311
        with psycopg.connect(world.database_url) as connection:
            for _ in range(25):
                for _ in range(dice.randint(1, 3)):
                    connection.execute("select audit.record('stormed')")
                    time.sleep(dice.random() * 0.004)
                if dice.random() < 0.2:
                    connection.rollback()
                else:
                    connection.commit()

    def run_sealer() -> None:
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            while not stop.is_set():
                seal(connection)

    writers = [threading.Thread(target=write, args=[seed]) for seed in range(6)]
    sealers = [threading.Thread(target=run_sealer) for _ in range(2)]
    for thread in (*sealers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sealers:
        thread.join()


def test_no_row_is_skipped_while_commits_overtake_each_other(world: World) -> None:
    _storm(world, lambda connection: connection.execute(SEAL))
    seal_all(world)
    state = verdict(world)
    assert (state["finding"], state["unsealed_rows"]) == ("ok", 0)
    assert world.as_dba("select count(*) from audit.log") == [{"count": state["sealed_rows"]}]
    assert (state["head"], []) == verify(world.database_url)


def test_the_same_storm_catches_a_sealer_that_trusts_ids(world: World) -> None:
    world.as_dba(NAIVE_SEALER)
    lock = threading.Lock()

    def seal(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        with lock:
            connection.execute("select naive_seal()")

    _storm(world, seal)
    world.as_dba("select naive_seal()")
    missed = world.as_dba(
        "select count(*) as rows from audit.log as l where l.id not in (select id from naively_sealed)"
    )
    assert missed[0]["rows"] > 0


def test_a_row_that_commits_late_is_sealed_late_and_proven(world: World) -> None:
    with psycopg.connect(world.database_url) as slow:
        slow.execute("select audit.record('slow')")
        world.as_dba("select audit.record('quick')")
        assert seal_all(world) == [], "the open transaction is older"
        state = verdict(world)
        assert (state["finding"], state["unsealed_rows"]) == ("ok", 1)
        slow.commit()
    assert [seal["row_ids"] for seal in seal_all(world)] == [[1, 2]]


def test_rows_go_in_the_order_of_transactions_not_of_ids(world: World) -> None:
    with psycopg.connect(world.database_url) as slow:
        slow.execute("select pg_current_xact_id()")
        world.as_dba("select audit.record('quick')")
        slow.execute("select audit.record('slow')")
    assert [seal["row_ids"] for seal in seal_all(world, 1)] == [[2], [1]]
    assert verdict(world)["finding"] == "ok"
    assert verify(world.database_url)[0]


def test_batches_cut_a_transaction_anywhere(world: World) -> None:
    world.as_dba("select audit.record('many') from generate_series(1, 25)")
    assert [len(seal["row_ids"]) for seal in seal_all(world, 10)] == [10, 10, 5]
    assert verdict(world)["finding"] == "ok"


def test_a_database_whose_transactions_start_over_is_noticed(world: World) -> None:
    world.as_dba("select audit.record('something')")
    seal_all(world)
    with psycopg.connect(world.superuser_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("alter table audit.seals disable trigger all")
        connection.execute("update audit.seals set through_transaction = '99999999999'")
    with refused("invalid_state", rule="transaction_ids_only_grow"):
        world.as_dba("select audit.seal()")
