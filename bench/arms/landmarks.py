"""Landmarks: commits whose fast engine the suite `history` measures again, in turns, beside this checkout's.

The oldest is the first that has a worker to run. Some commits between them cannot be measured, because they import a
name that a later one added.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bench.arms.labels import Label
from bench.arms.registry import OURS

_DIGITS = 9  # of a commit, in an arm's name


@dataclass(frozen=True)
class Landmark:
    """A commit that changed the fast engine.

    Attributes:
        commit: all 40 digits, as rows have them.
        day: of the commit.
        change: since the landmark before it, in words.
    """

    commit: str
    day: date
    change: str

    @property
    def variant(self) -> str:
        """The arm that measures it."""
        return Label(OURS, short_commit(self.commit), 1).text


def short_commit(commit: str) -> str:
    """The start of a commit, as arms' names have it."""
    return commit[:_DIGITS]


# In the order of the history.
LANDMARKS = (
    Landmark(
        "c7afe13c36087d4245bcdb13b9db229c0bd2164b", date(2026, 11, 23),
        "the first fast engine that can be measured: one process, threads, fused kernels in tiles",
    ),
    Landmark(
        "7cd5378b1986fdc7f68b05dc7f8fd9e3e94be426", date(2026, 11, 23),
        "the residual and the normalised output as fused kernels",
    ),
    Landmark(
        "9e65aef0400e7cdbdc9ea623da43401bf170ead7", date(2026, 11, 23),
        "a team of processes over shared memory, folded norms, blocked attention, workspaces on huge pages",
    ),
    Landmark(
        "f824619d530ac0f7cf6ecef603efff2134c55805", date(2026, 11, 23),
        "the choice of kernels kept for each machine; NumExpr has to win clearly",
    ),
    Landmark(
        "d6a9722a3df413dd56f92edab8fbd26fef87ca9b", date(2026, 11, 23),
        "an interrupted step leaves no worker writing",
    ),
    Landmark(
        "f9b3bc0a758ad4b58cc50a7ae1f99978613468fd", date(2026, 11, 23),
        "waiting workers offer their core to others",
    ),
    Landmark(
        "776cc9af90e2ac7711dd83e8d47f26b973117145", date(2026, 11, 23),
        "dropout, accumulation and recipes in the engine",
    ),
    Landmark(
        "bce2b237e9c74f3002c113f20b9d0343ea01b8ca", date(2026, 11, 24),
        "a worker that ended is told from one that ran out of memory",
    ),
    Landmark(
        "5f6eb9dbf198cc5ea7fa900e96fe29060b473dfc", date(2026, 11, 29),
        "an interrupted step is undone or finished",
    ),
    Landmark(
        "64d827e694fea4289f54ddfcb705c0cdfa790b99", date(2026, 11, 29),
        "an interrupt waits for the end of a phase",
    ),
    Landmark(
        "1dec40d411d4879573ecc8d01e788b7956fde17c", date(2026, 11, 30),
        "a plainer engine: arguments checked in one place, one alphabet of names",
    ),
    Landmark(
        "c1c64da1115439e65f7123b4c4e99a711b56bd05", date(2026, 11, 30),
        "deferred interrupts cost a tenth of before",
    ),
)  # fmt: skip
