"""The share of cases in which an estimator keeps its promise, simulated on real rounds: `invoke results calibrate`.

    coverage       how often an interval holds the truth
    false alarms   how often something is said about equal code
    power          how often a true difference is seen

A check that fails means that the estimator promises too much on such rows. The random numbers are the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.statistics.compare import THRESHOLD, Outcome, finding
from bench.statistics.controls import Record
from bench.statistics.evidence import ERROR, POWER, Levels, Paired, detectable, levels_of
from bench.statistics.intervals import CONFIDENCE, MIN_ROUNDS, median_interval
from bench.statistics.noise import floor_from
from bench.statistics.probe_adjustment import rounds_to_repeat
from bench.statistics.ratios import Ratio, combined
from bench.statistics.real_rounds import CALM, NOISY, RealRounds
from bench.statistics.sequential import PLANNED_ROUNDS, excluded_means, looks
from tinygpt.terminal.quantities import counted

Aim = Literal["coverage", "false alarms", "power"]
N_SIMULATED = 2000
BLOCK = 2  # neighbouring rounds that are drawn together; arms of six rounds have few longer ones
_FASTER = 0.3  # log ratio of a cell that is faster beyond doubt


@dataclass(frozen=True)
class Check:
    """A promise and how often it was kept.

    Attributes:
        aim: coverage and power are promised at least, false alarms at most.
        promised: share of cases.
        found: likewise.
    """

    aim: Aim
    subject: str
    condition: str
    promised: float
    found: float
    n: int

    @property
    def tolerance(self) -> float:
        """By how much the promise may be missed: two standard errors of the simulation."""
        return 2 * math.sqrt(self.promised * (1 - self.promised) / self.n)

    @property
    def holds(self) -> bool:
        """True unless the promise is missed by more than its tolerance."""
        missed = self.found - self.promised if self.aim == "false alarms" else self.promised - self.found
        return missed <= self.tolerance


class _Draws:
    """Rounds drawn from real ones with replacement, ``BLOCK`` neighbours at a time."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def rounds(self, sources: Sequence[np.ndarray], n: int) -> np.ndarray:
        """Rounds of one of the sources (n, …); its last round has its first as a neighbour."""
        source = sources[int(self.rng.integers(len(sources)))]
        starts = self.rng.integers(len(source), size=-(-n // BLOCK))
        return source[(starts[:, None] + np.arange(BLOCK)) % len(source)].reshape(-1, *source.shape[1:])[:n]

    def equal_arms(self, pairs: Sequence[np.ndarray], n: int) -> np.ndarray:
        """Log ratios of two equal arms (n,): for every block a coin decides which of a real pair comes first."""
        return self.rounds(pairs, n) * self.rng.choice((-1.0, 1.0), -(-n // BLOCK)).repeat(BLOCK)[:n]


# ---- intervals -------------------------------------------------------------------------------------------


def coverage_of_rounds(real: RealRounds, _record: Record) -> list[Check]:
    """Intervals of a cell and of a ratio, over rounds."""
    draws = _Draws()
    checks = []
    for subject, sources in (("interval of a cell", real.arms), ("interval of a ratio", real.pairs)):
        for n in (MIN_ROUNDS, 2 * MIN_ROUNDS):
            found = [median_interval(draws.rounds(sources, n)) for _ in range(N_SIMULATED)]
            share = float(np.mean([interval.low <= 0 <= interval.high for interval in found]))
            checks.append(Check("coverage", subject, f"{n} rounds", CONFIDENCE, share, N_SIMULATED))
    return checks


def coverage_of_repeated_rounds(real: RealRounds, _record: Record) -> list[Check]:
    """The interval of a ratio whose marked rounds were measured again.

    What slowed both arms of a round is the best probe that there could be, so it is used as the probe. The arms differ
    as they do: if they suffered differently in marked rounds, the interval would miss the median of all rounds.
    """
    draws = _Draws()
    held = []
    for _ in range(N_SIMULATED):
        number = int(draws.rng.integers(len(real.pairs)))
        both = np.column_stack([real.pairs[number], real.weather[number]])
        rounds, spare = draws.rounds([both], MIN_ROUNDS), draws.rounds([both], MIN_ROUNDS)
        probes = np.exp(rounds[:, 1] - rounds[:, 1].min())
        again = rounds_to_repeat(dict(enumerate(probes.tolist())))
        rounds[again] = spare[again]
        interval = median_interval(rounds[:, 0])
        held.append(interval.low <= 0 <= interval.high)
    share = float(np.mean(held))
    condition = f"{MIN_ROUNDS} rounds, marked ones measured again"
    return [Check("coverage", "interval of a ratio", condition, CONFIDENCE, share, N_SIMULATED)]


def coverage_of_runs(real: RealRounds, record: Record) -> list[Check]:
    """The ratio of several runs; each session moves the truth by what runs of unchanged code differ by."""
    draws = _Draws()
    between = math.sqrt(record.mean_square / 2) if record.unchanged else 0.0

    def session(n_runs: int) -> list[Ratio]:
        moved = draws.rng.normal(0.0, between)
        return [run(moved) for _ in range(n_runs)]

    def run(moved: float) -> Ratio:
        logs = draws.rounds(real.pairs, MIN_ROUNDS) + moved
        found = median_interval(logs)
        ends = math.exp(found.median), math.exp(found.low), math.exp(found.high)
        return Ratio(*ends, tuple(np.exp(logs).tolist()))

    checks = []
    for n, each in ((2, 1), (2, 2), (3, 1), (4, 1), (6, 1)):
        found = [combined([session(each) for _ in range(n)]) for _ in range(N_SIMULATED)]
        share = float(np.mean([ratio.low <= 1 <= ratio.high for ratio in found]))
        condition = f"{n} sessions of {counted(each, 'run')}"
        checks.append(Check("coverage", "ratio of several runs", condition, CONFIDENCE, share, N_SIMULATED))
    return checks


def exceeded_floors(real: RealRounds, _record: Record) -> list[Check]:
    """The noise floor: how often a pair of the next session differs by more; the two pairs of one share its hours."""
    draws = _Draws()

    def session() -> list[float]:
        hour = [real.pairs[int(draws.rng.integers(len(real.pairs)))]]
        return [float(np.median(draws.equal_arms(hour, MIN_ROUNDS))) for _ in range(2)]

    checks = []
    for n in (3, 19):
        floors = [floor_from([session() for _ in range(n)]) for _ in range(N_SIMULATED)]
        above = float(np.mean([max(map(abs, session())) > math.log1p(floor.difference) for floor in floors]))
        condition = f"{n} sessions with two pairs of equal arms each"
        checks.append(Check("false alarms", "noise floor", condition, floors[0].risk, above, N_SIMULATED))
    return checks


# ---- comparisons -----------------------------------------------------------------------------------------


def sequential_outcome(logs: np.ndarray, n_cells: int) -> tuple[Outcome, int]:
    """The outcome of `invoke bench --against` for a cell with these log ratios, and the rounds that it took."""
    error = ERROR / n_cells
    seen = looks(PLANNED_ROUNDS)
    for n, k in zip(seen, excluded_means(seen, PLANNED_ROUNDS, error), strict=True):
        evidence = Paired(tuple(logs[:n].tolist()))
        outcome = finding(evidence, evidence.ends_without(k), Levels(error, error), THRESHOLD, "").outcome
        if outcome != "inconclusive":
            break
    return outcome, n


_SUBJECT = "bench --against"


def alarms_against(real: RealRounds, _record: Record) -> list[Check]:
    """`--against` on equal commits: how often any cell is called slower; and how often a true loss is denied."""
    draws = _Draws()
    checks = []
    for n_cells in (1, 2, 6):
        alarms = [
            any(
                sequential_outcome(draws.equal_arms(real.pairs, PLANNED_ROUNDS), n_cells)[0] == "slower"
                for _ in range(n_cells)
            )
            for _ in range(N_SIMULATED)
        ]
        condition = f"equal commits, {n_cells} cell{'s' * (n_cells > 1)}"
        checks.append(Check("false alarms", _SUBJECT, condition, ERROR, float(np.mean(alarms)), N_SIMULATED))
    for loss in (THRESHOLD, 2 * THRESHOLD):
        denied = _share(draws, real.pairs, loss, "not slower") + _share(draws, real.pairs, loss, "faster")
        checks.append(Check("false alarms", _SUBJECT, f"denies a loss of {loss:.0%}", ERROR, denied, N_SIMULATED))
    return checks


def power_against(real: RealRounds, _record: Record) -> list[Check]:
    """`--against` on slower code, two cells being measured: set losses, and the loss that it says it could see."""
    draws = _Draws()
    checks = []
    for weather, low, high, loss in (("calm", 0.0, CALM, 0.05), ("noisy", CALM, NOISY, 0.10)):
        if pairs := real.with_spread(low, high):
            condition = f"{loss:.0%} slower, {weather} machine"
            found = _share(draws, pairs, loss, "slower")
            checks.append(Check("power", _SUBJECT, condition, POWER, found, N_SIMULATED))
    seen = []
    for _ in range(N_SIMULATED):
        source = [real.pairs[int(draws.rng.integers(len(real.pairs)))]]
        equal = Paired(tuple(draws.equal_arms(source, PLANNED_ROUNDS).tolist()))
        k = excluded_means(looks(), PLANNED_ROUNDS, ERROR / 2)[-1]
        loss = detectable(equal.ends_without(k), Levels(ERROR / 2, ERROR / 2))
        seen.append(sequential_outcome(draws.equal_arms(source, PLANNED_ROUNDS) - math.log1p(loss), 2)[0] == "slower")
    condition = "as slow as it says that it could see"
    return [*checks, Check("power", _SUBJECT, condition, POWER, float(np.mean(seen)), N_SIMULATED)]


def _share(draws: _Draws, pairs: Sequence[np.ndarray], loss: float, outcome: Outcome) -> float:
    """The share of comparisons in which code that is slower by ``loss`` gets this outcome."""
    logs = (draws.equal_arms(pairs, PLANNED_ROUNDS) - math.log1p(loss) for _ in range(N_SIMULATED))
    return float(np.mean([sequential_outcome(found, 2)[0] == outcome for found in logs]))


def alarms_of_variants(real: RealRounds, _record: Record) -> list[Check]:
    """`compare` of two variants of one run at several presets: how often any of the equal ones is called slower.

    The A/A arms on record are equal as they are, with no coin and no median moved to 0.
    """
    draws = _Draws()
    checks = []
    for n_equal, n_faster in ((1, 0), (5, 0), (5, 5), (10, 10)):
        alarms = []
        for _ in range(N_SIMULATED):
            logs = [draws.equal_arms(real.pairs, MIN_ROUNDS) for _ in range(n_equal + n_faster)]
            found = [Paired(tuple((log + _FASTER * (i >= n_equal)).tolist())) for i, log in enumerate(logs)]
            levels = levels_of(found)
            alarms.append(any(one.ends(levels)[1] < 0 for one in found[:n_equal]))
        condition = f"variants of one run, {n_equal} equal" + f" and {n_faster} faster" * (n_faster > 0)
        checks.append(Check("false alarms", "compare", condition, ERROR, float(np.mean(alarms)), N_SIMULATED))
    if real.copies:
        share = float(np.mean([Paired(tuple(logs.tolist())).ends(Levels())[1] < 0 for logs in real.copies]))
        checks.append(Check("false alarms", "compare", "A/A arms on record", ERROR, share, len(real.copies)))
    return checks


def alarms_of_runs(_real: RealRounds, record: Record) -> list[Check]:
    """`compare` of stored runs: how often unchanged code on record is called slower or faster. Nothing is simulated.

    Pairs of the same sessions share what happened in them, so the sessions are counted as cases.
    """
    if not (found := record.unchanged):
        return []
    alarms = [not low <= 0 <= high for low, high in (one.ends(Levels(ERROR / 2, ERROR / 2)) for one in found)]
    condition = f"unchanged code on record, {len(found)} pairs from {record.n_sessions} sessions"
    return [Check("false alarms", "compare", condition, ERROR, float(np.mean(alarms)), record.n_sessions)]


Simulation = Callable[[RealRounds, Record], list[Check]]
SIMULATIONS: tuple[Simulation, ...] = (
    coverage_of_rounds,
    coverage_of_repeated_rounds,
    coverage_of_runs,
    exceeded_floors,
    alarms_against,
    alarms_of_variants,
    alarms_of_runs,
    power_against,
)
