"""A cell compared between two runs: code that did not change was measured in both, and is divided out.

Another hour is another machine. Between two runs, unchanged code differs as well: peers, the matrix products alone and
the probe are the control. Of a cell at a preset in one run, the *level* is the median over rounds of

    log t_cell − mean over controls of log t_control

The difference of two levels has the variance of both medians and twice that between runs. The latter is estimated from
all pairs of runs of two sessions, where each control in turn is the cell: there the true difference is 0. Many pairs
may come from few sessions, so it has as many degrees of freedom as sessions, less one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np
import pandas as pd

from bench.records.grouping import grouped
from bench.statistics.cells import CellSummary, RoundTimes
from bench.statistics.evidence import Controlled
from bench.statistics.intervals import MIN_ROUNDS, median
from bench.statistics.sessions import sessions

ENOUGH_SESSIONS = 3  # with unchanged code, below which the spread between runs is not known
_NEWEST = 20  # runs at a preset that are compared with each other: pairs grow with the square
_OF_A_MEDIAN = math.sqrt(math.pi / 2)  # its standard deviation over that of a mean

PROBE = "probe"
_CLOCK = 1e-6  # relative; no deviation is smaller than what a clock resolves

Arms = Mapping[str, CellSummary]  # of one run at one preset, by variant


@dataclass(frozen=True)
class Level:
    """The level of a cell beside the controls in one run: its logarithm, and the variance of it."""

    run_id: str
    value: float
    variance: float


def probe_rounds(runs: pd.DataFrame, probes: pd.DataFrame) -> dict[tuple[str, str], RoundTimes]:
    """Seconds of the probe by run and preset, then by round: of the cells with most threads, six rounds or more."""
    cells = runs[["cell_id", "preset", "round"]].astype({"cell_id": str, "preset": str})
    found = probes.astype({"run_id": str, "cell_id": str}).merge(cells, on="cell_id")
    found["seconds"] = found["product_seconds"] + found["copy_seconds"]
    arms: dict[tuple[str, str], RoundTimes] = {}
    for (run_id, preset), group in found.groupby(["run_id", "preset"]):
        widest = group[group["threads"] == group["threads"].max()]
        rounds = {int(number): part.to_numpy(np.float64) for number, part in widest.groupby("round")["seconds"]}
        if len(rounds) >= MIN_ROUNDS:
            arms[str(run_id), str(preset)] = rounds
    return arms


class Record:
    """All runs on record, and what they say about the spread between runs."""

    def __init__(self, cells: Iterable[CellSummary], probes: Mapping[tuple[str, str], RoundTimes]) -> None:
        """Take the cells of all runs, engines, peers and the roofline, and the probes of :func:`probe_rounds`."""
        by_run = grouped((cell for cell in cells if cell.has_interval), lambda cell: cell.together)
        self._runs = {key: {cell.variant: cell for cell in group} for key, group in by_run.items()}
        self._sessions = _sessions_of(chain.from_iterable(by_run.values()))
        for arms, (cell, *_) in zip(self._runs.values(), by_run.values(), strict=True):
            if rounds := probes.get((cell.run_id, cell.preset)):
                arms[PROBE] = replace(cell, variant=PROBE, kind="roofline", round_times=rounds)
        self._differences: dict[str, list[tuple[Level, Level]]] = {}  # of unchanged code in two runs, by machine
        for name, one, two in self._unchanged():
            if levels := self._difference(name, one, two):
                self._differences.setdefault(one[name].machine_hash, []).append(levels)

    @property
    def mean_square(self) -> float:
        """Mean square of the differences of unchanged code between two runs; NaN without any."""
        found = chain.from_iterable(self._differences.values())
        return float(np.mean([(one.value - two.value) ** 2 for one, two in found] or [math.nan]))

    @property
    def bare_mean_square(self) -> float:
        """The same for the times alone, without controls."""
        pairs = ((one[name].seconds.median, two[name].seconds.median) for name, one, two in self._unchanged())
        return float(np.mean([math.log(before / after) ** 2 for before, after in pairs] or [math.nan]))

    def between_runs(self, machine_hash: str) -> float:
        """Variance between runs of a level on a machine; NaN where too few runs are on record.

        It is what the squared differences have beyond the variance of the rounds, and never less than the standard
        error of their mean: few runs that happen to agree do not prove that runs agree.
        """
        found, freedom = self._differences.get(machine_hash, []), self.freedom(machine_hash)
        if freedom < ENOUGH_SESSIONS - 1:
            return math.nan
        square = float(np.mean([(one.value - two.value) ** 2 for one, two in found]))
        of_rounds = float(np.mean([one.variance + two.variance for one, two in found]))
        return max(square - of_rounds, square * math.sqrt(2 / freedom)) / 2

    def freedom(self, machine_hash: str) -> int:
        """Degrees of freedom of that variance: sessions with unchanged code in common, less one."""
        found = chain.from_iterable(self._differences.get(machine_hash, []))
        return len({self._sessions[level.run_id] for level in found}) - 1

    @property
    def n_sessions(self) -> int:
        """Sessions that the differences in :attr:`unchanged` come from."""
        freedoms = (self.freedom(machine) for machine in self._differences)
        return sum(freedom + 1 for freedom in freedoms if freedom >= ENOUGH_SESSIONS - 1)

    @property
    def unchanged(self) -> list[Controlled]:
        """The evidence on every unchanged code in two runs; none where the spread between runs is not known."""
        spreads = {machine: self.between_runs(machine) for machine in self._differences}
        return [
            _controlled(*levels, spreads[machine], self.freedom(machine))
            for machine, found in self._differences.items()
            for levels in found
            if not math.isnan(spreads[machine])
        ]

    def controlled(self, before: CellSummary, after: CellSummary) -> tuple[Controlled | None, str]:
        """The evidence on two cells of one variant in two runs, and the controls or the reason why there is none."""
        one, two = (self._runs.get(cell.together, {}) for cell in (before, after))
        if before.variant not in one.keys() & two.keys():
            return None, f"{before.variant} itself has fewer than six rounds in one of the runs"
        levels = self._difference(before.variant, one, two)
        if levels is None:
            return None, "no unchanged code was measured beside it in six rounds of both runs"
        machines = (before.machine_hash, after.machine_hash)
        between_runs = sum(map(self.between_runs, machines)) / len(machines)
        if math.isnan(between_runs):
            return None, "too few sessions with unchanged code are on record to know the spread between runs"
        names = ", ".join(_controls(before.variant, one, two))
        return _controlled(*levels, between_runs, min(map(self.freedom, machines))), names

    def _unchanged(self) -> Iterable[tuple[str, Arms, Arms]]:
        for runs in grouped(self._runs, lambda key: key[:-1]).values():
            for one, two in combinations(sorted(runs)[-_NEWEST:], 2):
                if self._sessions[one[-1]] != self._sessions[two[-1]]:
                    arms = self._runs[one], self._runs[two]
                    yield from ((name, *arms) for name in _controls("", *arms))

    @staticmethod
    def _difference(name: str, one: Arms, two: Arms) -> tuple[Level, Level] | None:
        controls = _controls(name, one, two)
        return (_level(name, one, controls), _level(name, two, controls)) if controls else None


def _sessions_of(cells: Iterable[CellSummary]) -> dict[str, tuple[str, int]]:
    """The session of every run: its machine, and a number."""
    return {
        cell.run_id: (machine, number)
        for machine, group in grouped(cells, lambda cell: cell.machine_hash).items()
        for number, session in enumerate(sessions(group, lambda cell: cell.started_at))
        for cell in session
    }


def _controlled(before: Level, after: Level, between_runs: float, freedom: int) -> Controlled:
    variance = before.variance + after.variance + 2 * between_runs
    return Controlled(before.value - after.value, max(math.sqrt(variance), _CLOCK), freedom)


def is_unchanged(cell: CellSummary) -> bool:
    """True of code that no commit of this project changes: a peer of a pinned version, or the matrix products alone."""
    return cell.kind in ("peer", "roofline")


def _controls(name: str, one: Arms, two: Arms) -> list[str]:
    """The unchanged code that both runs measured, other than the cell itself."""
    return sorted(other for other in one.keys() & two.keys() - {name} if is_unchanged(one[other]))


def _level(name: str, arms: Arms, controls: list[str]) -> Level:
    logs = {other: {n: math.log(median(times)) for n, times in arms[other].round_times.items()} for other in arms}
    rounds = set(logs[name]).intersection(*(logs[other] for other in controls))
    values = np.array([logs[name][n] - np.mean([logs[other][n] for other in controls]) for n in sorted(rounds)])
    variance = (_OF_A_MEDIAN * float(values.std(ddof=1))) ** 2 / len(values)
    return Level(arms[name].run_id, float(np.median(values)), variance)
