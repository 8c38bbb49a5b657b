"""The reliability of a measured point: the noise floor, and a verdict in one word.

The floor comes from A/A arms: the same engine measured twice in one run, as if it were two. The pairs of a session
share its hours, so the session is the observation: the largest difference of its pairs. One session is one draw: the
next is larger half of the time. Beside n sessions on a machine's record, the next takes any of n + 1 places with equal
odds, whatever their distribution. From 19 on, one of them is exceeded with 5 %; before, the largest, with 1 in n + 1.
A verdict is one of:

    stable        six rounds or more, and the interval is at most 10 % wide
    noisy         the interval is wider than that
    best round    of the roofline, whose time is that of its best round and has no interval
    unresolved    fewer than six rounds; or, of a ratio, its interval holds 1 or the floor is larger
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.arms.labels import read_label
from bench.arms.registry import ROOFLINE
from bench.records.grouping import grouped
from bench.statistics.cells import CellSummary
from bench.statistics.intervals import CONFIDENCE
from bench.statistics.ratios import Ratio, Speedup, speedup_of
from bench.statistics.sessions import sessions
from tinygpt.terminal.quantities import counted

NOISY_WIDTH = 0.10
APART = 1.25  # rounds of one arm that differ by more are named wherever the arm is shown


@dataclass(frozen=True, slots=True)
class Floor:
    """The difference of two equal arms that is noise.

    Attributes:
        difference: relative.
        n_pairs: pairs of equal arms that it comes from.
        n_sessions: sessions that these come from.
        risk: probability that a pair of equal arms of the next session differs by more, if that has as many pairs.
    """

    difference: float
    n_pairs: int
    n_sessions: int
    risk: float

    def __str__(self) -> str:
        pairs, hours = counted(self.n_pairs, "pair"), counted(self.n_sessions, "session")
        found = f"{self.difference:.1%}, from {pairs} of equal arms in {hours}"
        return f"{found}; the next session has a larger difference with {self.risk:.0%}"


NO_FLOOR = Floor(0.0, 0, 0, 1.0)  # without an A/A arm the interval alone decides

Floors = Mapping[str, Floor]  # by the machine's hash


def noise_floors(cells: Collection[CellSummary]) -> Floors:
    """The floor of every machine that has A/A arms on record.

    Args:
        cells: copies included.
    """
    by_machine = grouped(copied_pairs(cells), lambda pair: pair.cell.machine_hash)
    return {
        machine: floor_from(
            [
                [math.log(pair.ratio.speedup) for pair in session]
                for session in sessions(pairs, lambda pair: pair.cell.started_at)
            ]
        )
        for machine, pairs in by_machine.items()
    }


def copied_pairs(cells: Iterable[CellSummary]) -> list[Speedup]:
    """Every A/A arm of six rounds beside its original."""
    measured = {cell.key: cell for cell in cells if cell.n_rounds}
    pairs = []
    for copy in measured.values():
        label = read_label(copy.variant)
        original = measured.get((*copy.key[:-1], label.text.partition("#")[0]))
        pair = speedup_of(copy, original) if label.copy > 1 and original else None
        pairs += [pair] if pair and pair.ratio.has_interval else []
    return pairs


def floor_from(by_session: Sequence[Sequence[float]]) -> Floor:
    """The floor that the log ratios of equal arms give, session by session."""
    n = len(by_session)
    rank = min(n, math.ceil(CONFIDENCE * (n + 1)))
    largest = sorted(max(map(abs, logs)) for logs in by_session)
    return Floor(math.expm1(largest[rank - 1]), sum(map(len, by_session)), n, 1 - rank / (n + 1))


def rounds_apart(cell: CellSummary) -> str:
    """A word for rounds of one arm that differ by more than ``APART``, else nothing."""
    return f"rounds {cell.rounds_apart:.2g}× apart" if cell.rounds_apart > APART else ""


def cell_verdict(cell: CellSummary) -> str:
    """The verdict on a cell; the status of one that has no time."""
    if not cell.n_rounds:
        return cell.status
    if cell.variant == ROOFLINE:
        return "best round"
    if not cell.has_interval:
        return "unresolved"
    return "noisy" if _width(cell.seconds.low, cell.seconds.high) > NOISY_WIDTH else "stable"


def ratio_verdict(found: Ratio, floor: Floor = NO_FLOOR) -> str:
    """The verdict on a ratio, by a floor or by the one that the ratio has from :func:`with_floor`."""
    holds_one = found.low <= 1.0 <= found.high
    noise = max(floor.difference, found.noise)
    if not found.has_interval or holds_one or abs(math.log(found.speedup)) <= math.log1p(noise):
        return "unresolved"
    return "noisy" if _width(found.low, found.high) > NOISY_WIDTH else "stable"


def with_floor(ratio: Ratio, machine_hash: str, floors: Floors) -> Ratio:
    """The ratio with its machine's floor, so that its verdict is the same wherever it is shown."""
    return replace(ratio, noise=floors.get(machine_hash, NO_FLOOR).difference)


def _width(low: float, high: float) -> float:
    return high / low - 1.0
