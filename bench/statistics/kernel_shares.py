"""What the rows of ``kernels`` say: the share of each part in a step, and the time of each kernel's two forms.

Share of a part.  In each measured step, the mean over workers of the part's seconds; ``dispatch`` is the wall time less
all the others. Summed over steps and rounds and divided by the summed wall time, so that the shares of a preset add up
to 1. Seconds are the share times the median step of the same processes without a stopwatch. The range is that of the
rounds.

Form of a kernel.  Median nanoseconds a number and the interval of ``bench.statistics.summary``: over processes if there
are six of them, else over single timings.

One run speaks for a preset, and one for a machine's kernels: clean published code before uncommitted changes, then
more rounds, then the newest.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from bench.arms.kernel_parts import DISPATCH, FORMS, PARTS, PLACES
from bench.statistics.summary import MIN_ROUNDS, median_interval, ratio_of_rounds
from tinygpt.engines import parse_variant

_FROM_RUN = ["origin", "machine_hash", "machine", "run_id", "commit", "dirty", "command", "started_at",
             "resolved_variant"]  # fmt: skip
SHARE_COLUMNS = [
    *_FROM_RUN, "preset", "n_parameters", "part", "share", "share_low", "share_high", "seconds", "step_seconds",
    "overhead", "n_rounds", "n_steps", "workers",
]  # fmt: skip
FORM_COLUMNS = [
    *_FROM_RUN, "kernel", "place", "form", "nanoseconds", "nanoseconds_low", "nanoseconds_high", "ratio", "ratio_low",
    "ratio_high", "is_chosen", "n_cells", "n_timings",
]  # fmt: skip


def part_shares(runs: pd.DataFrame, steps: pd.DataFrame, kernels: pd.DataFrame) -> pd.DataFrame:
    """The share of every part in a step, by machine and preset.

    Args:
        runs: the table ``runs``.
        steps: the table ``steps``.
        kernels: the table ``kernels``.

    Returns:
        columns ``SHARE_COLUMNS``, parts in the order of ``PARTS``, presets by size; ``overhead`` is what the stopwatch
        added to the median step, as a share of it.
    """
    rows: list[dict[str, Any]] = []
    for run in _speaking(runs, ["origin", "machine_hash", "preset"]):
        cells = _cells(runs, run, preset=str(run["preset"]))
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
        shared = {name: run[name] for name in _FROM_RUN} | {
            "preset": run["preset"],
            "n_parameters": int(run["n_parameters"]),
            "step_seconds": step_seconds,
            "overhead": float(wall["seconds"].median()) / step_seconds - 1.0,
            "n_rounds": len(by_round),
            "n_steps": len(wall),
            "workers": workers,
        }
        for index, part in enumerate(PARTS):
            ends = [shares_of_round[index] for shares_of_round in by_round]
            share = float(shares[index])
            rows.append(
                shared
                | {"part": part, "share": share, "share_low": min(ends), "share_high": max(ends)}
                | {"seconds": share * step_seconds}
            )
    return pd.DataFrame(rows, columns=SHARE_COLUMNS)


def _round_shares(rows: pd.DataFrame, workers: int) -> list[float]:
    """Shares of one process's steps, in the order of ``PARTS``."""
    wall = float(rows.loc[rows["measure"] == "step", "seconds"].sum())
    parts = rows[rows["measure"] == "part"].groupby("name")["seconds"].sum() / (workers * wall)
    shares = [float(parts.get(name, 0.0)) for name in PARTS if name != DISPATCH]
    return [*shares, 1.0 - sum(shares)]


def form_comparison(runs: pd.DataFrame, kernels: pd.DataFrame) -> pd.DataFrame:
    """Both forms of every fused kernel, by machine.

    Args:
        runs: the table ``runs``.
        kernels: the table ``kernels``.

    Returns:
        columns ``FORM_COLUMNS``, a row per kernel, place and form; ``ratio`` is NumExpr's time over NumPy's, with its
        interval, the same in the rows of both forms; ``is_chosen`` says whether the engine took the form.
    """
    rows: list[dict[str, Any]] = []
    for run in _speaking(runs, ["origin", "machine_hash"]):
        cells = _cells(runs, run)
        timings = kernels[
            kernels["cell_id"].isin(cells) & (kernels["measure"] == "form") & ~kernels["is_warmup"].astype(bool)
        ].assign(nanoseconds=lambda frame: 1e9 * frame["seconds"] / frame["elements"])
        in_numexpr = _in_numexpr(str(run["resolved_variant"]))
        for place, kernel in product(PLACES, dict.fromkeys(timings["name"])):
            group = timings[(timings["name"] == kernel) & (timings["place"] == place)]
            times = {form: _by_cell(group[group["form"] == form], cells) for form in FORMS}
            ratio = ratio_of_rounds(times["numpy"], times["numexpr"])
            for form in FORMS:
                cell_times = [*times[form].values()]
                deep = len(cell_times) >= MIN_ROUNDS
                interval = median_interval(
                    [float(np.median(values)) for values in cell_times] if deep else np.concatenate(cell_times)
                )
                rows.append(
                    {name: run[name] for name in _FROM_RUN}
                    | {"kernel": kernel, "place": place, "form": form}
                    | {"nanoseconds": interval.median}
                    | {"nanoseconds_low": interval.low, "nanoseconds_high": interval.high}
                    | {"ratio": ratio.speedup, "ratio_low": ratio.speedup_low, "ratio_high": ratio.speedup_high}
                    | {"is_chosen": (form == "numexpr") == (in_numexpr is None or kernel in in_numexpr)}
                    | {"n_cells": len(cell_times), "n_timings": sum(map(len, cell_times))}
                )
    return pd.DataFrame(rows, columns=FORM_COLUMNS)


def winner(row: pd.Series) -> str:
    """Which form is faster, and by how much; ``neither`` where the interval of the ratio holds 1."""
    if row["ratio_low"] <= 1.0 <= row["ratio_high"]:
        return "neither"
    return f"NumPy {row['ratio']:.2g}×" if row["ratio"] > 1.0 else f"NumExpr {1.0 / row['ratio']:.2g}×"


def _by_cell(timings: pd.DataFrame, cells: list[str]) -> dict[int, np.ndarray]:
    """Nanoseconds a number by process."""
    groups = {str(cell): group.to_numpy(np.float64) for cell, group in timings.groupby("cell_id")["nanoseconds"]}
    return {index: groups[cell] for index, cell in enumerate(cells) if cell in groups}


def _in_numexpr(resolved: str) -> set[str] | None:
    """Kernels that an engine runs in NumExpr's form; None for all of them."""
    form, _, names = str(parse_variant(resolved)[1].get("kernels", "numpy")).partition(":")
    if form != "numexpr":
        return set()
    return set(names.split("+")) if names else None


def _cells(runs: pd.DataFrame, run: dict[str, Any], **where: str) -> list[str]:
    """The measured processes of a run."""
    chosen = (runs["run_id"] == run["run_id"]) & (runs["kind"] == "kernels") & (runs["status"] == "ok")
    for name, value in where.items():
        chosen &= runs[name] == value
    return [str(cell) for cell in runs.loc[chosen, "cell_id"]]


def _speaking(runs: pd.DataFrame, place: list[str]) -> list[dict[str, Any]]:
    """The newest row of the run that speaks for each place, published places first, then by model size."""
    good = runs[(runs["kind"] == "kernels") & (runs["status"] == "ok")]
    if good.empty:
        return []
    ranked = good.assign(
        unpublished=good["origin"] != "published",
        clean=(good["origin"] != "published") | ~good["dirty"].map(bool),
        rounds=good.groupby([*place, "run_id"])["cell_id"].transform("size"),
    ).sort_values(["clean", "rounds", "started_at"], ascending=False, kind="stable")
    best = ranked.drop_duplicates(place).sort_values(["unpublished", "machine_hash", "n_parameters"], kind="stable")
    return [{str(name): value for name, value in row.items()} for row in best.to_dict("records")]
