"""Statistics of the rows of ``kernels``: the share of each part in a step, and the time of each kernel's forms.

Share of a part.  In each measured step, the mean over workers of the part's seconds; ``dispatch`` is the wall time less
all the others. Summed over steps and rounds and divided by the summed wall time, so that the shares of a preset add up
to 1. Seconds are the share times the median step of the same processes without a stopwatch. The range is that of the
rounds.

Form of a kernel.  Median nanoseconds a number over the processes' medians, with the interval of
``bench.statistics.intervals``.

One run is chosen for a preset, and one for a machine's kernels: clean published code before uncommitted changes, then
more rounds, then the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from bench.arms.kernel_parts import DISPATCH, FORMS, PARTS, PLACES
from bench.records.grouping import best_of_each, grouped
from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import replaced_rounds
from bench.statistics.intervals import Interval, median, median_interval
from bench.statistics.ratios import Ratio, ratio_of_rounds
from tinygpt.engines import parse_variant
from tinygpt.engines.vectorized.forms import NUMPY, read_choice
from tinygpt.terminal import quantities


@dataclass(frozen=True, slots=True)
class PartShare:
    """A part of a preset's step.

    Attributes:
        run: the newest row of the chosen run.
        share_low: the lowest of a round.
        share_high: the highest.
        step_seconds: median step without a stopwatch.
        overhead: what the stopwatch added to the median step, as a share of it.
        n_rounds: processes.
        n_steps: that were timed part by part.
        workers: that each step ran on.
    """

    run: StoredRun
    part: str
    share: float
    share_low: float
    share_high: float
    step_seconds: float
    overhead: float
    n_rounds: int
    n_steps: int
    workers: int

    @property
    def seconds(self) -> float:
        """Of the median step."""
        return self.share * self.step_seconds


@dataclass(frozen=True, slots=True)
class ComparedForm:
    """A fused kernel in one of its forms.

    Attributes:
        run: the newest row of the chosen run.
        place: where its operands lay.
        nanoseconds: a number.
        ratio: NumPy's time over its own; None for NumPy's form.
        is_chosen: whether the engine took the form.
        n_cells: processes.
        n_timings: in all of them.
    """

    run: StoredRun
    kernel: str
    place: str
    form: str
    nanoseconds: Interval
    ratio: Ratio | None
    is_chosen: bool
    n_cells: int
    n_timings: int


def part_shares(runs: pd.DataFrame, steps: pd.DataFrame, kernels: pd.DataFrame) -> list[PartShare]:
    """The share of every part in a step, by machine and preset.

    Returns:
        published machines first; parts in the order of ``PARTS``, presets by size.
    """
    found = []
    for run, cells in _chosen(runs, lambda run: run.place):
        mine = kernels[kernels["cell_id"].isin(cells) & ~kernels["is_warmup"].astype(bool)]
        plain = steps[steps["cell_id"].isin(cells) & ~steps["is_warmup"].astype(bool)]["seconds"]
        wall = mine[mine["measure"] == "step"]
        if wall.empty or plain.empty:
            continue
        workers = int(mine["worker"].max()) + 1
        by_round = [_round_shares(part, workers) for _, part in mine.groupby("cell_id", sort=False)]
        weights = wall.groupby("cell_id", sort=False)["seconds"].sum().to_numpy()
        shares = np.average(by_round, axis=0, weights=weights)  # (parts,)
        step_seconds = float(plain.median())
        overhead = float(wall["seconds"].median()) / step_seconds - 1.0
        for part, share, ends in zip(PARTS, shares, zip(*by_round, strict=True), strict=True):
            counts = len(by_round), len(wall), workers
            found.append(PartShare(run, part, float(share), min(ends), max(ends), step_seconds, overhead, *counts))
    return found


def _round_shares(rows: pd.DataFrame, workers: int) -> list[float]:
    """Shares of one process's steps, in the order of ``PARTS``."""
    wall = float(rows.loc[rows["measure"] == "step", "seconds"].sum())
    parts = rows[rows["measure"] == "part"].groupby("name")["seconds"].sum() / (workers * wall)
    shares = [float(parts.get(name, 0.0)) for name in PARTS if name != DISPATCH]
    return [*shares, 1.0 - sum(shares)]


def form_comparison(runs: pd.DataFrame, kernels: pd.DataFrame) -> list[ComparedForm]:
    """Every form of every fused kernel in both places, by machine; NumPy's first."""
    found = []
    for run, cells in _chosen(runs, lambda run: run.scope):
        timings = kernels[
            kernels["cell_id"].isin(cells) & (kernels["measure"] == "form") & ~kernels["is_warmup"].astype(bool)
        ].assign(nanoseconds=lambda frame: 1e9 * frame["seconds"] / frame["elements"])
        chosen = read_choice(str(parse_variant(str(run.resolved_variant))[1].get("kernels", NUMPY)))
        for place, kernel in product(PLACES, dict.fromkeys(timings["name"])):
            group = timings[(timings["name"] == kernel) & (timings["place"] == place)]
            by_form = {form: times for form in FORMS if (times := _by_cell(group[group["form"] == form], cells))}
            ratios = {form: ratio_of_rounds(times, by_form.get(NUMPY, {})) for form, times in by_form.items()}
            measured = [form for form, ratio in ratios.items() if ratio is not None]
            for form in measured if len(measured) > 1 else ():
                times = by_form[form]
                interval = median_interval([*map(median, times.values())])
                counts = len(times), sum(map(len, times.values()))
                own = None if form == NUMPY else ratios[form]
                found.append(ComparedForm(run, kernel, place, form, interval, own, chosen[kernel] == form, *counts))
    return found


def winner(forms: Sequence[ComparedForm]) -> str:
    """Name the fastest form, and by how much: NumPy over the fastest other one, or that one over NumPy.

    ``neither`` where the rounds, or their interval, do not agree.
    """
    ratios = {form.form: form.ratio for form in forms if form.ratio}
    rival, ratio = max(ratios.items(), key=lambda item: item[1].speedup)
    ends = (ratio.low, ratio.high) if ratio.has_interval else ratio.rounds
    if min(ends) <= 1.0 <= max(ends):
        return "neither"
    faster, times = (rival, ratio.speedup) if ratio.speedup > 1.0 else (NUMPY, 1.0 / ratio.speedup)
    return f"{FORMS[faster]} {quantities.ratio(times)}"


def _by_cell(timings: pd.DataFrame, cells: list[str]) -> dict[int, np.ndarray]:
    """Nanoseconds a number by process."""
    groups = {str(cell): group.to_numpy(np.float64) for cell, group in timings.groupby("cell_id")["nanoseconds"]}
    return {index: groups[cell] for index, cell in enumerate(cells) if cell in groups}


def _chosen(runs: pd.DataFrame, place: Callable[[StoredRun], tuple[str, ...]]) -> list[tuple[StoredRun, list[str]]]:
    """The newest row of each place's chosen run with the run's measured processes, published places first."""
    replaced = replaced_rounds(runs)
    good = [
        run
        for run in stored_runs(runs[(runs["kind"] == "kernels") & (runs["status"] == "ok")])
        if (run.run_id, run.preset, run.round) not in replaced
    ]
    cells = grouped(good, lambda run: (place(run), run.run_id))
    chosen = best_of_each(good, place, lambda run: (run.is_clean, len(cells[place(run), run.run_id]), run.started_at))
    ordered = sorted(chosen, key=lambda run: run.published_first)
    return [(run, [cell.cell_id for cell in cells[place(run), run.run_id]]) for run in ordered]
