"""The probe's record of a run: how busy the machine was in each round, and ratios without that.

    probe of a round    the median time of its probes over that of the run's best round, by number of threads; from
                        ``DISTURBED`` on the round is marked
    adjusted step       its seconds over the geometric mean of its cell's probes, times the best round's. Single probes
                        are too short to know their block: divided by those around it, two equal arms differ more
    adjusted ratio      that of bench.statistics.ratios, of adjusted steps

A marked round is measured once more after the planned ones, all arms of it (:func:`rounds_to_repeat`); the new round
then counts in its place, whatever came out. The probe alone decides, never the time of a step.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.arms.registry import OURS
from bench.records.grouping import grouped
from bench.records.rows import Kind
from bench.statistics.cells import CellSummary, cell_summary, replaced_rounds
from bench.statistics.ratios import Ratio, ratio_of_rounds

DISTURBED = 1.15
_KINDS: tuple[Kind, ...] = ("bench", "peer", "roofline", "generation")


@dataclass(frozen=True, slots=True)
class AdjustedRatio:
    """A cell against our engine in the same run, as measured and adjusted by the probe.

    Attributes:
        cell: not ours.
        ratio: its time over ours.
        adjusted: the same of adjusted steps.
        probes: of its rounds and ours, in their order, 1 in the best round of the run.
        page_faults: of a step, the median over measured blocks; NaN where the system does not count them.
        n_replaced: rounds of the run at this preset in whose place others count.
    """

    cell: CellSummary
    ratio: Ratio
    adjusted: Ratio
    probes: tuple[float, ...]
    page_faults: float
    n_replaced: int

    @property
    def n_disturbed(self) -> int:
        """Rounds that are marked."""
        return sum(probe > DISTURBED for probe in self.probes)


def relative_probes(runs: pd.DataFrame, probes: pd.DataFrame) -> pd.DataFrame:
    """Probes with their cell's variant, preset and round, and, as ``relative``, their time over the best round's."""
    names = ["cell_id", "variant", "preset"]
    cells = runs[[*names, "round"]].astype(dict.fromkeys(names, str))  # not a file's own categories
    found = probes.astype({"run_id": str, "cell_id": str}).merge(cells, on="cell_id")
    seconds = found["product_seconds"] + found["copy_seconds"]
    same = [found["run_id"], found["threads"]]
    of_rounds = seconds.groupby([*same, found["preset"], found["round"]]).transform("median")
    return found.assign(relative=seconds / of_rounds.groupby(same).transform("min"))


def round_probes(relative: pd.DataFrame) -> pd.Series:
    """The probes of rounds by run, preset and round: the median of those of :func:`relative_probes`."""
    return relative.groupby(["run_id", "preset", "round"])["relative"].median()


def rounds_to_repeat(probes: Mapping[int, float]) -> list[int]:
    """The rounds of a preset to measure once more: those that are marked, at most half, the slowest probes first.

    Args:
        probes: by planned round, over that of the run's best round.
    """
    marked = sorted((number for number in probes if probes[number] > DISTURBED), key=lambda number: -probes[number])
    return sorted(marked[: len(probes) // 2])


def adjusted_steps(steps: pd.DataFrame, relative: pd.DataFrame) -> pd.DataFrame:
    """Steps with their seconds divided by their cell's probe; those of cells without one are left out."""
    among = relative[relative["number"] > 0]  # the first is before the engine is made, perhaps by seconds
    of_cells = np.exp(np.log(among["relative"]).groupby(among["cell_id"]).mean())
    slowdown = steps["cell_id"].astype(str).map(of_cells).astype(float)  # of text if no cell was measured
    return steps.assign(seconds=steps["seconds"] / slowdown).dropna(subset="seconds")


def adjusted_ratios(runs: pd.DataFrame, steps: pd.DataFrame, probes: pd.DataFrame) -> list[AdjustedRatio]:
    """Every cell that has probes and was measured together with our engine, by machine and run, oldest run first."""
    relative = relative_probes(runs, probes)
    if relative.empty:
        return []
    runs = runs[runs["run_id"].isin(relative["run_id"].unique())]
    probed = steps[steps["cell_id"].isin(relative["cell_id"][relative["number"] > 0])]
    plain, adjusted = (
        {cell.key: cell for cell in cell_summary(runs, table, _KINDS) if cell.n_rounds}
        for table in (probed, adjusted_steps(probed, relative))
    )
    blocks = relative[relative["number"] > 1]  # the first ends the warm-ups
    faults = blocks["page_faults"] / relative.groupby("cell_id")["step"].diff()[blocks.index]
    of_arms = faults.groupby([blocks["run_id"], blocks["variant"], blocks["preset"]]).median()
    by_round, replaced = round_probes(relative), replaced_rounds(runs)
    n_replaced = Counter((run_id, preset) for run_id, preset, _ in replaced)
    found = []
    for group in grouped(plain.values(), lambda cell: cell.together).values():
        for ours in (cell for cell in group if cell.variant == OURS):
            for cell in (cell for cell in group if cell is not ours):
                raw = ratio_of_rounds(ours.round_times, cell.round_times)
                free = ratio_of_rounds(adjusted[ours.key].round_times, adjusted[cell.key].round_times)
                numbers = sorted(set(ours.round_times) & set(cell.round_times))
                if raw and free:
                    seen = tuple(float(by_round[cell.run_id, cell.preset, number]) for number in numbers)
                    own_faults = of_arms.get((cell.run_id, cell.variant, cell.preset), math.nan)
                    again = n_replaced[cell.run_id, cell.preset]
                    found.append(AdjustedRatio(cell, raw, free, seen, float(own_faults), again))
    return sorted(found, key=lambda row: (row.cell.published_first[:2], row.cell.run_id, row.cell.n_parameters))
