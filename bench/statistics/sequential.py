"""Looking several times at growing evidence without raising the odds of a false alarm.

An error of 5 % in one look becomes 10 % and more in several. So each look may spend a part of it: by the time that the
fraction f of the planned rounds is measured, error · f² is spent (Lan and DeMets). What a look at n rounds may conclude
follows from the signed ranks of the rounds. Their joint distribution over the looks depends on the numbers of rounds
alone. It is simulated, always with the same random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

FIRST_LOOK = 12  # rounds; fewer cannot conclude anything at a part of 5 %
BETWEEN_LOOKS = 6
PLANNED_ROUNDS = 24
_PATHS = 100_000


def looks(planned: int = PLANNED_ROUNDS) -> tuple[int, ...]:
    """Numbers of rounds after which the evidence is judged; the last is all of them."""
    return (*range(FIRST_LOOK, planned, BETWEEN_LOOKS), planned)


@cache
def excluded_means(seen: tuple[int, ...], planned: int, error: float) -> tuple[int, ...]:
    """For each look, how many means of pairs the interval leaves out on each side; −1 where it has no ends.

    Args:
        seen: rounds at each look, growing.
        planned: rounds at the last look.
        error: probability, over all looks together, that an interval does not hold the truth on one side.
    """
    sums = _paths(seen)
    alive = np.ones(_PATHS, bool)
    found = []
    for look, n in zip(sums, seen, strict=True):
        budget = int(error * (n / planned) ** 2 * _PATHS) - int(_PATHS - alive.sum())
        crossing = np.cumsum(np.bincount(look[alive]))  # paths that a bound of 0, 1, … would stop
        k = int((crossing <= budget).sum()) - 1
        alive &= look > k
        found.append(k)
    return tuple(found)


@cache
def _paths(seen: tuple[int, ...]) -> Sequence[np.ndarray]:
    """Sums of the ranks with a minus at each look (paths,), under equal arms."""
    rng = np.random.default_rng(0)
    rounds = rng.standard_normal((_PATHS, seen[-1]))
    sums = []
    for n in seen:
        part = rounds[:, :n]
        ranks = np.argsort(np.argsort(np.abs(part), axis=1), axis=1) + 1
        sums.append(np.where(part < 0, ranks, 0).sum(axis=1))
    return sums
