"""The small parts alone: encoding, periods, ids, fates, the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode

from scripts.stripe_sim.adversary import Adversary
from scripts.stripe_sim.clock import add_interval
from scripts.stripe_sim.form import decode
from scripts.stripe_sim.ids import make_id
from scripts.stripe_sim.store import Store

NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=10),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(params=st.dictionaries(NAMES, VALUES, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_the_sdk_encodes_is_decoded(params: dict[str, Any]) -> None:
    assert decode(urlencode(list(_api_encode(params)))) == by_position(params)


def by_position(value: Any) -> Any:
    """Lists as the encoding has them."""
    if isinstance(value, list):
        return {str(index): by_position(item) for index, item in enumerate(value)}
    return {name: by_position(item) for name, item in value.items()} if isinstance(value, dict) else value


@given(start=st.integers(1_500_000_000, 1_900_000_000), count=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_months_end_on_the_day_on_which_they_began_or_on_the_last(start: int, count: int) -> None:
    anchor = datetime.fromtimestamp(start, UTC)
    moment = start
    for _ in range(count):
        following = add_interval(moment, "month", 1, start)
        end = datetime.fromtimestamp(following, UTC)
        assert 27 <= (following - moment) / 86_400 <= 32
        assert end.time() == anchor.time()
        last = datetime.fromtimestamp(following + 86_400, UTC).month != end.month
        assert end.day == anchor.day or (last and end.day < anchor.day)
        moment = following


def test_ids_differ_by_number_and_repeat_by_seed() -> None:
    ids = {make_id("seed", "pi", number) for number in range(10_000)}
    assert len(ids) == 10_000
    assert make_id("seed", "pi", 1) in ids
    assert make_id("other", "pi", 1) not in ids


@given(seed=st.integers(0, 1000), number=st.integers(1, 1000))
@settings(max_examples=50, deadline=None)
def test_a_fate_depends_on_seed_and_number_only(seed: int, number: int) -> None:
    chaos = Adversary(seed=seed, duplicate=0.5, reorder=3, delay=0.5, drop=0.5, fail=0.5)
    assert chaos.fate(number) == chaos.fate(number)
    calm = Adversary(seed=seed).fate(number)
    assert (calm.dropped, [(each.place, each.delay, each.answer_lost) for each in calm.travels]) == (
        False,
        [(number, 0, False)],
    )


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    with store.transaction():
        store.save("thing", "a", {"id": "a", "customer": "x", "n": 1})

    def change_and_fail() -> None:
        with store.transaction():
            found = store.find("thing", "a")
            assert found is not None
            found["n"] = 2
            store.save("thing", "a", found)
            store.save("thing", "b", {"id": "b", "customer": "x"})
            assert [each["id"] for each in store.all("thing", customer="x")] == ["a", "b"]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    for reopened in (store, Store(tmp_path / "store.sqlite")):
        with reopened.transaction():
            assert reopened.all("thing", customer="x") == [{"id": "a", "customer": "x", "n": 1}]
    with store.transaction():
        store.remove("thing", "a")
        assert store.all("thing") == []
    assert Store(tmp_path / "store.sqlite").keys("thing") == []
