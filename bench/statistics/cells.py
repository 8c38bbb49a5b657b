"""An engine variant at a preset as one run measured it: computed when rows are read and never stored.

Centre and interval.  The observations are the medians of the rounds: rounds are independent processes, steps within one
are not. Fewer than six rounds have no interval; ``rounds_apart`` then says all that is known of their spread.

Replaced rounds.  A round that the probe marked is measured again after the planned ones. The new round counts as soon
as all its arms have ended, whatever came out, and the times of the old one count no more; its failures still do.

Grouping.  One run of the pipeline is one sample: rounds of different runs may have been measured at different commits
and are never pooled. Which run is quoted for a cell is decided in ``bench.statistics.chosen_runs``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.records.grouping import grouped
from bench.records.rows import Kind, StoredRun, extended
from bench.records.store import stored_runs
from bench.statistics.intervals import MIN_ROUNDS, NO_INTERVAL, Interval, median, median_interval

RoundTimes = dict[int, np.ndarray]  # round → seconds of the measured steps
Round = tuple[str, str, int]  # of a run, at a preset


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSummary(StoredRun):
    """A run's measurement of a variant at a preset: the newest row, an ok one if there is any, but for the following.

    ``peak_memory_bytes`` and ``wall_seconds`` are the largest of the rounds, ``dirty`` is true if it is for any row,
    and ``error_tail`` is the newest failure's.

    Attributes:
        n_attempts: processes; a round that was stopped by hand and measured again when the run went on counts once.
        seconds: of a step, over the medians of the rounds; NaN without an ok round.
        round_times: seconds of the measured steps (n,), by rounds that are ok and not replaced.
    """

    n_attempts: int
    n_failed: int
    seconds: Interval
    round_times: RoundTimes

    @property
    def n_rounds(self) -> int:
        """Rounds that are ok and not replaced."""
        return len(self.round_times)

    @property
    def n_steps(self) -> int:
        """Measured steps of these rounds."""
        return sum(map(len, self.round_times.values()))

    @property
    def rounds(self) -> tuple[float, ...]:
        """Median step of each round in seconds, fastest first."""
        return tuple(sorted(map(median, self.round_times.values())))

    @property
    def has_interval(self) -> bool:
        """True from six rounds on."""
        return self.n_rounds >= MIN_ROUNDS

    @property
    def rounds_apart(self) -> float:
        """The slowest round's median over the fastest's; NaN without rounds."""
        return self.rounds[-1] / self.rounds[0] if self.n_rounds else math.nan

    @property
    def tokens_per_second(self) -> float:
        """At the median step."""
        return self.tokens_per_step / self.seconds.median


def cell_summary(runs: pd.DataFrame, steps: pd.DataFrame, kinds: Sequence[Kind] = ("bench",)) -> list[CellSummary]:
    """The engine variants and presets that each run tried, per area, machine and protocol.

    Args:
        kinds: of the rows that are summarized, one or several; others are left out.

    Returns:
        ordered by model size, then variant, then time.
    """
    tried = runs[runs["kind"].isin([*kinds])]
    seconds = _measured_seconds(steps, tried["cell_id"])
    attempts = grouped(stored_runs(tried), lambda run: run.key)
    replaced = replaced_rounds(runs)
    cells = [_summarize(group, seconds, replaced) for group in attempts.values()]
    return sorted(cells, key=lambda cell: (cell.n_parameters, cell.variant, cell.started_at))


def replaced_rounds(runs: pd.DataFrame) -> set[Round]:
    """The rounds in whose place others count: all their arms have ended in the round that measures them again.

    Args:
        runs: the table ``runs``, with all kinds of rows of a run.
    """
    if runs["replaces"].isna().all():
        return set()
    ended: dict[Round, set[str]] = {}
    again: dict[Round, Round] = {}
    columns = ("run_id", "preset", "round", "variant", "replaces")
    of_runs = runs[runs["status"] != "interrupted"]
    for run_id, preset, number, variant, replaces in zip(*(of_runs[name].tolist() for name in columns), strict=True):
        ended.setdefault((run_id, preset, number), set()).add(variant)
        if not math.isnan(replaces):
            again[run_id, preset, number] = run_id, preset, int(replaces)
    return {old for new, old in again.items() if ended.get(old, set()) <= ended[new]}


def _measured_seconds(steps: pd.DataFrame, cells: pd.Series) -> dict[str, np.ndarray]:
    """Cell → seconds of its measured steps, in the order in which they ran.

    Steps that end at the same moment were timed together and share their mean: one observation, not several.
    """
    steps = steps[steps["cell_id"].isin(cells.tolist())]
    measured = (~steps["is_warmup"].astype(bool) & ~steps.duplicated(["cell_id", "elapsed_seconds"])).to_numpy(bool)
    numbers, names = pd.factorize(steps["cell_id"][measured])
    seconds = steps["seconds"].to_numpy(np.float64)[measured][np.argsort(numbers, kind="stable")]
    counts = np.bincount(numbers, minlength=len(names))
    ends = np.cumsum(counts)
    return {str(name): seconds[end - count : end] for name, count, end in zip(names, counts, ends, strict=True)}


def _summarize(group: list[StoredRun], seconds: Mapping[str, np.ndarray], replaced: Collection[Round]) -> CellSummary:
    group = sorted(group, key=lambda run: run.started_at)
    ok = [run for run in group if run.status == "ok"]
    done = {run.round for run in ok}
    group = [run for run in group if run.status != "interrupted" or run.round not in done]
    failed = [run for run in group if run.status != "ok"]
    quoted = ok or group
    times = {
        run.round: seconds[run.cell_id]
        for run in ok
        if run.cell_id in seconds and (run.run_id, run.preset, run.round) not in replaced
    }
    return extended(
        quoted[-1],
        CellSummary,
        n_attempts=len(group),
        n_failed=len(failed),
        seconds=median_interval([*map(median, times.values())]) if times else NO_INTERVAL,
        round_times=times,
        peak_memory_bytes=max((run.peak_memory_bytes for run in quoted if run.peak_memory_bytes), default=None),
        wall_seconds=max(run.wall_seconds for run in quoted),
        dirty=any(run.dirty for run in group),
        error_tail=failed[-1].error_tail if failed else None,
    )
