"""Numbers of sweeps and races, read from the rows that their figures draw: what a rate came to, who was there when."""

from __future__ import annotations

from types import MappingProxyType

import pandas as pd

from bench.arms.registry import OURS, TORCH
from bench.training.race import NANOGPT_TARGET
from sitegen.figures import FIGURES
from sitegen.rows.peers import BEST_TORCH
from sitegen.rows.results import Results
from sitegen.text import quantities

SWEEP_COMMAND = "invoke sweep --preset tiny --corpus shakespeare --steps 2000"
RACE_COMMAND = "invoke race"

# Recipe of `invoke sweep` → as the figure calls it.
SWEPT = MappingProxyType(
    {"constant": "constant", "warmup": "warm-up, then constant", "cosine": "warm-up and cosine"},
)

Answer = tuple[str, str, tuple[str, ...]] | None


def loss_at_rate(results: Results, recipe: str, rate: str) -> Answer:
    """Where the newest sweep ended at a rate, or that it diverged there."""
    rows = _newest_sweep(results)
    found = rows[(rows["recipe"] == SWEPT[recipe]) & (rows["rate"] == float(rate))]
    if found.empty:
        return None
    row = found.iloc[0]
    text = "diverged" if row["state"] == "failed" else quantities.loss(row["loss"])
    return text, f"{row['series']} at {rate}; {row['machine']}", (str(row["run_id"]),)


def best_of_recipe(results: Results, recipe: str) -> Answer:
    """The lowest loss of a recipe in the newest sweep, and its rate."""
    rows = _newest_sweep(results)
    rows = rows[(rows["recipe"] == SWEPT[recipe]) & (rows["state"] == "measured")]
    if rows.empty:
        return None
    row = rows.sort_values("loss").iloc[0]
    text = f"{quantities.loss(row['loss'])} at {quantities.learning_rate(row['rate'])}"
    return text, f"{row['series']}, lowest of {len(rows)} rates; {row['machine']}", (str(row["run_id"]),)


def _newest_sweep(results: Results) -> pd.DataFrame:
    """Rows of one preset, text, length and machine; run ids begin with their time."""
    rows = FIGURES["learning_rate"].rows(results)
    if rows.empty:
        return rows
    names = ["preset", "corpus", "steps", "machine"]
    newest = rows.sort_values("run_id", kind="stable").iloc[-1]
    return rows[(rows[names] == newest[names]).all(axis=1)]


def race_time(results: Results, engine: str) -> Answer:
    """Training until nanoGPT's loss was reached."""
    row = _arrival(FIGURES["race"].rows(results), engine)
    if row is None:
        return None
    return quantities.duration(row["minutes"] * 60), _there(row), (str(row["run_id"]),)


def race_ratio(results: Results, peer: str) -> Answer:
    """How many times as long a peer took to nanoGPT's loss as we did, by the same recipe."""
    rows = FIGURES["race"].rows(results)
    theirs = _arrival(rows, peer)
    if theirs is None:
        return None
    ours = _arrival(rows[rows["recipe"] == theirs["recipe"]], OURS)
    if ours is None:
        return None
    runs = tuple(str(row["run_id"]) for row in (ours, theirs))
    return quantities.ratio(theirs["minutes"] / ours["minutes"]), f"{_there(theirs)}; {_there(ours)}", runs


def race_lowest(results: Results, engine: str) -> Answer:
    """The lowest held-out loss of an engine's races, and how much training that took."""
    rows = FIGURES["race"].rows(results)
    rows = rows[rows["variant"].isin(_variants(engine))]
    if rows.empty:
        return None
    row = rows.sort_values("loss").iloc[0]
    text = f"{quantities.loss(row['loss'])} after {quantities.duration(row['minutes'] * 60)}"
    return text, f"{row['variant']}, {row['recipe']}; {row['machine']}", (str(row["run_id"]),)


def _variants(engine: str) -> tuple[str, ...]:
    return TORCH if engine == BEST_TORCH else (engine,)


def _arrival(rows: pd.DataFrame, engine: str) -> pd.Series | None:
    """The evaluation at which an engine was first at nanoGPT's loss; of several variants, the earliest."""
    there = rows[rows["variant"].isin(_variants(engine)) & (rows["loss"] <= NANOGPT_TARGET)]
    return None if there.empty else there.sort_values("minutes", kind="stable").iloc[0]


def _there(row: pd.Series) -> str:
    return f"{row['variant']} ({row['recipe']}) at {NANOGPT_TARGET:g} after {row['time_text']}; {row['machine']}"
