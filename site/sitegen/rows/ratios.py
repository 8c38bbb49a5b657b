"""Ratios in words: every variant against every other, each pair from its chosen run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.records.rows import Kind
from bench.statistics.cells import CellSummary
from bench.statistics.chosen_runs import chosen_cells, chosen_ratios
from bench.statistics.intervals import ends_in_words
from bench.statistics.noise import ratio_verdict, with_floor
from bench.statistics.ratios import Ratio, Speedup, speedups
from sitegen.rows.cells import CELL_TEXT, interval_columns, measured_cell, of_kinds
from sitegen.rows.results import ENGINE_KINDS, Results, cached_frame
from sitegen.text.palette import order_variants
from tinygpt.terminal import quantities

RATIO_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "run_id", "baseline", "variant", "preset", "n_parameters", "speedup",
    "speedup_low", "speedup_high", "seconds", "baseline_seconds", "rounds", "measured_at", *CELL_TEXT,
)  # fmt: skip


def shown_pairs(
    results: Results, kinds: Sequence[Kind] = ENGINE_KINDS, baselines: Collection[str] | None = None
) -> list[Speedup]:
    """Pair every variant with every baseline, by default all: the chosen run's cells with the ratio of all runs."""
    cells = of_kinds(results.cells, kinds)
    names = [cell.variant for cell in cells if cell.n_rounds and (baselines is None or cell.variant in baselines)]
    pairs = (pair for baseline in order_variants(names) for pair in speedups(cells, baseline))
    others = (pair for pair in pairs if pair.cell is not pair.baseline)
    chosen = chosen_ratios(others, results.complete_runs, results.peer_runs)
    return [replace(pair, ratio=with_floor(pair.ratio, pair.cell.machine_hash, results.floors)) for pair in chosen]


@cached_frame
def ratio_frame(
    results: Results, kinds: Sequence[Kind] = ENGINE_KINDS, baselines: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the pairs of :func:`shown_pairs` in words, as columns ``RATIO_COLUMNS``.

    ``evidence`` says if one of the two engines alone was measured again since; ``verdict`` weighs the ratio against the
    A/A arms of its run.
    """
    cells = [cell for cell in of_kinds(results.cells, kinds) if cell.n_rounds]
    words = {cell.key: measured_cell(cell) for cell in cells}
    newest = {cell.arm: cell for cell in chosen_cells(cells)}
    rows = [
        words[pair.cell.key]
        | {
            "baseline": pair.baseline.variant,
            **interval_columns("speedup", pair.ratio.speedup, pair.ratio.low, pair.ratio.high),
            "baseline_seconds": pair.baseline.seconds.median,
            "rounds": pair.ratio.n_rounds,
            "evidence": f"{ratio_evidence(pair.ratio)}{_measured_since(pair, newest)}",
            "verdict": ratio_verdict(pair.ratio),
        }
        for pair in shown_pairs(results, kinds, baselines)
    ]
    return pd.DataFrame(rows, columns=[*RATIO_COLUMNS])


def _measured_since(pair: Speedup, newest: Mapping[Any, CellSummary]) -> str:
    """Name the engines of a pair that have newer times at another commit; empty for most pairs."""
    return "".join(
        f"; {side.variant} was measured again at commit {str(now.commit)[:7]}"
        for side in (pair.cell, pair.baseline)
        if (now := newest[side.arm]).commit != pair.cell.commit and now.started_at > pair.cell.started_at
    )


Write = Callable[[float], str]


def interval_text(ratio: Ratio, write: Write = quantities.ratio) -> str:
    """The ends of a ratio's interval."""
    return ends_in_words(ratio.low, ratio.high, write)


def quoted_ends(ratio: Ratio) -> tuple[float, float]:
    """The range that prose quotes: the ends of the table's interval; without one, of all rounds and runs."""
    ends = (ratio.low, ratio.high) if ratio.has_interval else ratio.rounds + ratio.runs
    return min(ends), max(ends)


def quoted_range(ratios: Collection[Ratio]) -> str:
    """Several ratios in prose: their widest ends, and a word where these contain 1."""
    ends = [end for ratio in ratios for end in quoted_ends(ratio)]
    low, high = min(ends), max(ends)
    return quantities.between(low, high, quantities.ratio) + " (unresolved)" * (low <= 1 <= high)


WITHIN_ROUNDING = "interval within rounding"


def quoted_ratio(ratio: Ratio, write: Write = quantities.ratio) -> str:
    """A ratio in prose: its range, and a word where it is in doubt or where both ends read alike."""
    each = " each" if ratio.runs else ""
    doubt = "unresolved" if ratio.has_interval else quantities.counted(ratio.n_rounds, "round") + each
    text = quantities.between(*quoted_ends(ratio), write)
    if ratio_verdict(ratio) == "unresolved":
        return f"{text} ({doubt})"
    return text if " to " in text else f"{text} ({WITHIN_ROUNDING})"


def ratio_words(ratio: Ratio, write: Write = quantities.ratio) -> str:
    """The interval, what it rests on, and the word for a ratio that is not resolved."""
    doubt = ["unresolved"] if ratio_verdict(ratio) == "unresolved" else []
    return ", ".join([interval_text(ratio, write), ratio_evidence(ratio, write), *doubt])


def ratio_evidence(ratio: Ratio, write: Write = quantities.ratio) -> str:
    """The evidence for a ratio: every run's ratio where several know it, the rounds themselves where they are few."""
    if ratio.runs:
        return f"{len(ratio.runs)} runs of {quantities.listed(map(write, ratio.runs))}"
    rounds = quantities.counted(ratio.n_rounds, "round")
    return rounds if ratio.has_interval else f"{rounds} of {quantities.listed(map(write, ratio.rounds))}"
