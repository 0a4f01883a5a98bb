"""Measuring variants against each other: interleaved rounds, medians, ratios within one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Work = Callable[[], int]
"""Does a slice of work and returns how many operations it was."""


@dataclass(frozen=True)
class Case:
    """One comparison: variants of the same work; the first one is the baseline."""

    name: str
    unit: str
    variants: Mapping[str, Work]


@dataclass
class Result:
    """Operations per second of one variant, one number a round."""

    case: str
    unit: str
    variant: str
    rates: list[float] = field(default_factory=list)
    ratio: float = 1.0

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a part of the median."""
        if len(self.rates) < 3:
            return 0.0
        lower, _, upper = statistics.quantiles(self.rates, n=4)
        return (upper - lower) / 2 / self.median


def measure(cases: Sequence[Case], rounds: int) -> Iterator[Result]:
    """Every variant in every round, so that whatever else the machine does hits all of them alike.

    A ratio is the median of the ratios within each round. The first round warms up and does not count.
    """
    for case in cases:
        results = {name: Result(case.name, case.unit, name) for name in case.variants}
        for number in range(rounds + 1):
            for name, work in case.variants.items():
                started = time.perf_counter()
                done = work()
                if number:
                    results[name].rates.append(done / (time.perf_counter() - started))
        baseline = next(iter(results.values()))
        for result in results.values():
            result.ratio = statistics.median(
                mine / base for mine, base in zip(result.rates, baseline.rates, strict=True)
            )
            yield result
