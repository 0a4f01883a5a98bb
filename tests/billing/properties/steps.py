"""What may happen, as Hypothesis draws it: long enough for something to go wrong, and easy to shrink."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from scripts.stripe_sim.paying import CHOICES
from scripts.stripe_sim.payment_methods import SUCCEED
from tests.billing.properties.play import Chaos, Step

WHICH = st.integers(0, 7)
WAYS = ("", *CHOICES)
SHARES = (1, 30, 50, 100)
SOLD: dict[str, Sequence[str | int]] = {
    "buy": (*WAYS, "crash", "crash_after", SUCCEED, SUCCEED, "decline"),
    "subscribe": (*WAYS, "crash_after", SUCCEED, SUCCEED),
    "pay": tuple(CHOICES),
    "retry": WAYS,
    "authenticate": ("proved", "failed"),
    "settle_debit": (SUCCEED, "generic_decline"),
}
AFTERWARDS: dict[str, Sequence[str | int]] = {
    "portal": ("cancel", "resume", "cancel_now", "good_card", "bad_card"),
    "pass_hours": (1, 25, 24 * 4, 24 * 8, 24 * 32),
    "decline_next": (1, 2),
    "refund": SHARES,
    "refund_at_stripe": SHARES,
    "report_refund": ("failed", "succeeded"),
    "dispute": ("",),
    "decide": ("won", "lost"),
    "expire": ("",),
    "leave": ("",),
    "stranger": (SUCCEED, "decline", "async_succeed"),
}
MACHINERY: dict[str, Sequence[str | int]] = {
    "deliver": (1, 3, 10, 100),
    "work": (1, 5, 50),
    "record": ("",),
    "vanish": ("",),
}


def _some(kinds: dict[str, Sequence[str | int]]) -> st.SearchStrategy[Step]:
    made = [
        st.builds(Step, do=st.just(do), how=st.sampled_from([*hows]), which=WHICH)
        for do, hows in kinds.items()
    ]
    return st.one_of(made)


PAID = _some({"buy": (SUCCEED, SUCCEED, "async_succeed"), "subscribe": (SUCCEED, "renewals_fail")})
ANYTHING = st.one_of(_some(SOLD), _some(AFTERWARDS), _some(AFTERWARDS), _some(MACHINERY))
STEPS = st.builds(list.__add__, st.lists(PAID, max_size=3), st.lists(ANYTHING, min_size=2, max_size=25))
"""Mostly something is bought first, for most of what may go wrong begins there."""


def chaos(*losses: float) -> st.SearchStrategy[Chaos]:
    """A network that loses as many events as one of these says."""
    return st.builds(
        Chaos,
        seed=st.integers(0, 999),
        loses=st.sampled_from(losses),
        same_second=st.sampled_from([0, 0, 3600]),
        ticks=st.booleans(),
        forgets=st.just(False) if losses == (0,) else st.booleans(),
    )
