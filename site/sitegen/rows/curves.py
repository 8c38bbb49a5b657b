"""The rows behind the curves: step times and their ratios for every baseline, in one form.

speedup(variant, preset) = step time of the baseline / step time of the variant, round by round, as
``bench.statistics.ratios`` defines it; where several runs measured both, of all of them. The rows hold everything that
a reader can choose, so the menus in the page only filter:

    measure      speedup (for one baseline) or step_time; empty for failed cells, which belong to both
    baseline     of a ratio
    tier         first choice of the menu of lines that shows the row (``sitegen.rows.series``)
    value, low, high    times as fast, or seconds, with the interval (of a projection, its band)
    own_time, baseline_time    of a ratio, the two step times that it was formed from
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.statistics.intervals import MIN_ROUNDS
from bench.statistics.noise import NOISY_WIDTH
from sitegen.rows.cells import cell_frame, machine_by_machine, stack_failures
from sitegen.rows.projections import mark_bridges, projected_cells, projected_ratios
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import TRAINING_KINDS, Results, cached_frame, row_dicts
from sitegen.rows.series import SERIES, label_of, order_series, tiers_of
from tinygpt.terminal import quantities

SPEEDUP_MEASURE, STEP_TIME_MEASURE = "speedup", "step_time"

# Ratios below this are written at the lower edge: on the axis they would leave no room for the others.
OFF_SCALE = 0.2


@cached_frame
def step_rows(results: Results) -> pd.DataFrame:
    """Step times, measured and projected, and the failed cells."""
    cells = cell_frame(results, TRAINING_KINDS)
    projected = projected_cells(cells)
    rows = pd.concat([cells, projected], ignore_index=True) if len(projected) else cells
    failed = rows["state"] == "failed"
    names = {"seconds": "value", "seconds_low": "low", "seconds_high": "high"}
    rows = rows.rename(columns=names).assign(measure=STEP_TIME_MEASURE, baseline=None)
    rows.loc[failed, "measure"] = None
    detail = [
        "" if pd.isna(rate) else f"{quantities.whole(rate)} tokens per second" for rate in rows["tokens_per_second"]
    ]
    rows = rows.assign(detail=detail, own_time="", baseline_time="")
    words = _in_words(rows, quantities.duration, ["origin", "machine_hash", "variant"])
    return machine_by_machine(words, results)


def ratio_rows(results: Results) -> pd.DataFrame:
    """Ratios for every baseline, measured and projected."""
    cells = cell_frame(results, TRAINING_KINDS)
    ratios = ratio_frame(results, TRAINING_KINDS, _baselines(cells)).assign(state="measured")
    if ratios.empty:
        return ratios
    projected = projected_ratios(cells)
    projected = projected[projected["baseline"].isin(ratios["baseline"])]
    rows = pd.concat([ratios, projected], ignore_index=True) if len(projected) else ratios
    names = {"speedup": "value", "speedup_low": "low", "speedup_high": "high"}
    rows = rows.rename(columns=names).assign(measure=SPEEDUP_MEASURE)
    own, baseline = (rows[name].map(quantities.duration) for name in ("seconds", "baseline_seconds"))
    rows = rows.assign(detail="", own_time=own, baseline_time=baseline)
    return _in_words(rows, quantities.ratio, ["origin", "machine_hash", "baseline", "variant"])


@cached_frame
def curve_rows(results: Results) -> pd.DataFrame:
    """Ratios, step times, and the failed cells, which belong to both; first those of the machine that opens."""
    ratios, steps = ratio_rows(results), step_rows(results)
    rows = pd.concat([ratios, steps], ignore_index=True) if len(ratios) else steps
    texts, slots = _edges(rows)
    return machine_by_machine(rows.assign(edge=slots, edge_text=texts), results)


def steps_and_failures(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table behind the curves: every step time and failure, from which the ratios follow."""
    kept = rows[rows["measure"] != SPEEDUP_MEASURE]
    ranks = {name: rank for rank, name in enumerate(order_series(kept["variant"]))}
    order = kept.assign(rank=kept["variant"].map(ranks)).sort_values(["machine", "n_parameters", "rank"], kind="stable")
    return kept.loc[order.index]


def _baselines(cells: pd.DataFrame) -> list[str]:
    """The measured baselines of the table of series, or everything measured if there is none of them."""
    measured = order_series(cells.loc[cells["state"] == "measured", "variant"])
    known = [name for name in measured if name in SERIES and SERIES[name].is_baseline]
    return known or measured


def _in_words(rows: pd.DataFrame, write: Any, series: list[str]) -> pd.DataFrame:
    """Add the texts for tooltips and tables, and the positions of marks that are not on the axis."""
    # In the order of the legend, so that the failures of a preset stack in it too.
    ranks = {name: rank for rank, name in enumerate(order_series(rows["variant"]))}
    rows = rows.loc[rows["variant"].map(ranks).sort_values(kind="stable").index].reset_index(drop=True)
    rows["tier"] = tiers_of(rows)
    rows["bridge"] = mark_bridges(rows, series)
    rows["slot"] = stack_failures(rows)
    rows["value_text"] = ["" if pd.isna(value) else write(value) for value in rows["value"]]
    rows["interval"] = [
        "" if pd.isna(low) or pd.isna(high) else f"{write(low)} to {write(high)}"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]
    rows["verdict"] = rows["verdict"].where(rows["state"] == "measured", rows["state"])
    rows["verdict_text"] = [_verdict_text(row) for row in row_dicts(rows)]
    rows["edge"], rows["edge_text"] = 0, ""
    return rows


def _verdict_text(row: dict[str, Any]) -> str:
    """A verdict with its cause."""
    if row["verdict"] == "noisy":
        return f"noisy: the interval is wider than {quantities.percent(NOISY_WIDTH)}"
    if row["verdict"] != "unresolved":
        return str(row["verdict"])
    if row["rounds"] < MIN_ROUNDS:
        return f"unresolved: fewer than {MIN_ROUNDS} rounds"
    return "unresolved: cannot be distinguished from 1×"


def _edges(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """One text for the ratios of a line that are too small for the axis, at its first of them, and the text's slot.

    A text for each ratio would be wider, on a phone, than the distance to the next preset's. The slots are above all
    failures.
    """
    failures = rows[rows["state"] == "failed"].groupby(["machine", "n_parameters"]).size().max()
    texts, slots = pd.Series("", index=rows.index), pd.Series(0, index=rows.index)
    below = rows[is_off_scale(rows)].sort_values("n_parameters", kind="stable")
    for _, view in below.groupby(["machine", "baseline"], sort=False):
        for slot, (variant, line) in enumerate(view.groupby("variant", sort=False)):
            values = ", ".join(f"{row['value_text']} at {row['preset']}" for row in row_dicts(line))
            texts[line.index[0]] = f"{label_of(str(variant))} ↓ {values}"
            slots[line.index[0]] = slot + (0 if pd.isna(failures) else int(failures))
    return texts, slots


def is_off_scale(rows: pd.DataFrame) -> pd.Series:
    """Mark the measured ratios that are too small for the axis."""
    return (rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured") & (rows["value"] < OFF_SCALE)
