"""Numbers about sweeps, races, the clinic and tokenizers, read from the rows that their figures and tables show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import pandas as pd

from bench.arms.registry import TORCH
from bench.training.clinic_cases import CASES
from bench.training.options import NANOGPT_TARGET
from sitegen.figures import FIGURES
from sitegen.numbers.number import Answer, NotMeasured
from sitegen.rows.clinic import RECENT_STEPS, clinic_runs, clinic_steps
from sitegen.rows.machines import machine_label
from sitegen.rows.minutes import RACE_COMMAND, sooner
from sitegen.rows.peers import BEST_TORCH, FASTEST_OF_OURS
from sitegen.rows.results import Results, cached_frame
from sitegen.rows.series import is_rival
from sitegen.rows.tokenizers import TOKENIZERS_COMMAND, best_of_each_kind, compared
from tinygpt.terminal import quantities

SWEEP_COMMAND = "invoke sweep --preset tiny --corpus shakespeare --steps 2000"

CLINIC_SERIES = ("train", "held_out", "lowest")

# Recipe of `invoke sweep` → its name in the figure.
SWEPT = MappingProxyType(
    {"constant": "constant", "warmup": "warm-up, then constant", "cosine": "warm-up and cosine"},
)


@cached_frame
def _plotted(results: Results, figure: str) -> pd.DataFrame:
    return FIGURES[figure].rows(results)


def loss_at_rate(results: Results, recipe: str, rate: str) -> Answer:
    """The final loss of the newest sweep at a rate, or that it diverged."""
    rows = _newest_sweep(results)
    row = _first(rows[(rows["recipe"] == SWEPT[recipe]) & (rows["rate"] == float(rate))])
    text = "diverged" if row["state"] == "failed" else quantities.loss(row["loss"])
    return text, f"{row['series']} at {rate}; {row['machine']}", (str(row["run_id"]),)


def best_of_recipe(results: Results, recipe: str) -> Answer:
    """The lowest loss of a recipe in the newest sweep, and its rate."""
    rows = _newest_sweep(results)
    rows = rows[(rows["recipe"] == SWEPT[recipe]) & (rows["state"] == "measured")]
    row = _first(rows.sort_values("loss"))
    text = f"{quantities.loss(row['loss'])} at {quantities.learning_rate(row['rate'])}"
    return text, f"{row['series']}, lowest of {len(rows)} rates; {row['machine']}", (str(row["run_id"]),)


def _newest_sweep(results: Results) -> pd.DataFrame:
    """Rows of one preset, text, length and machine; run ids begin with their time."""
    rows = _plotted(results, "learning_rate")
    names = ["preset", "corpus", "steps", "machine"]
    newest = _first(rows.sort_values("run_id", kind="stable", ascending=False))
    return rows[(rows[names] == newest[names]).all(axis=1)]


def race_time(results: Results, racer: str) -> Answer:
    """The time of training by nanoGPT's recipe until its loss was reached."""
    row = _arrival(_nanogpt(results), racer)
    return quantities.duration(row["minutes"] * 60), _arrival_words(row), (str(row["run_id"]),)


def race_ratio(results: Results, peer: str) -> Answer:
    """A peer's time to nanoGPT's loss over ours, by nanoGPT's recipe."""
    rows = _nanogpt(results)
    ours, theirs = _arrival(rows, FASTEST_OF_OURS), _arrival(rows, peer)
    runs = tuple(dict.fromkeys(str(row["run_id"]) for row in (ours, theirs)))
    source = f"{_arrival_words(theirs)}; {_arrival_words(ours)}"
    return f"{quantities.ratio(theirs['minutes'] / ours['minutes'])} (one race each)", source, runs


def race_engine(results: Results) -> Answer:
    """The name of our engine that reaches nanoGPT's loss first by nanoGPT's recipe."""
    row = _arrival(_nanogpt(results), FASTEST_OF_OURS)
    return str(row["variant"]), _arrival_words(row), (str(row["run_id"]),)


def race_lowest(results: Results, racer: str) -> Answer:
    """The lowest held-out loss of an engine's races, and the time of training that took."""
    rows = _plotted(results, "race")
    row = _first(rows[_is_racer(rows, racer)].sort_values("loss"))
    text = f"{quantities.loss(row['loss'])} after {quantities.duration(row['minutes'] * 60)}"
    return text, f"{row['variant']}, {row['recipe']}; {row['machine']}", (str(row["run_id"]),)


def race_sooner(results: Results) -> Answer:
    """Time of nanoGPT's recipe in the fastest PyTorch until its lowest loss, over our program's until that loss."""
    found = sooner(results)
    if found is None:
        raise NotMeasured
    text = quantities.between(min(found.ratios), max(found.ratios), quantities.ratio)
    words = [f"{race.first.variant}, {race.first.preset}, {race.steps} steps" for race in (found.ours, found.theirs)]
    source = f"{words[0]} beside {words[1]}, seed by seed in one run; {machine_label(found.ours.first)}"
    return f"{text} ({quantities.counted(len(found.ratios), 'seed')})", source, (found.ours.first.run_id,)


def _nanogpt(results: Results) -> pd.DataFrame:
    """The rows of races by nanoGPT's recipe."""
    rows = _plotted(results, "race")
    return rows[rows["preset"] == "nanogpt"] if len(rows) else rows


def _is_racer(rows: pd.DataFrame, racer: str) -> pd.Series:
    """True for rows of a variant, of any PyTorch, or of any engine of this project."""
    if racer == FASTEST_OF_OURS:
        return ~rows["variant"].map(is_rival).astype(bool)
    return rows["variant"].isin(TORCH if racer == BEST_TORCH else (racer,))


def _arrival(rows: pd.DataFrame, racer: str) -> pd.Series:
    """The evaluation at which a racer first had nanoGPT's loss; of several variants, the earliest."""
    if rows.empty:
        raise NotMeasured
    reached = rows[_is_racer(rows, racer) & (rows["loss"] <= NANOGPT_TARGET)]
    return _first(reached.sort_values("minutes", kind="stable"))


def _arrival_words(row: pd.Series) -> str:
    return f"{row['variant']} ({row['recipe']}) at {NANOGPT_TARGET:g} after {row['time_text']}; {row['machine']}"


def _first(rows: pd.DataFrame) -> pd.Series:
    if rows.empty:
        raise NotMeasured
    return rows.iloc[0]


def clinic_loss(results: Results, series: str, case: str) -> Answer:
    """A loss of the newest run of a case of the clinic; ``series`` is one of ``CLINIC_SERIES``."""
    run = clinic_runs(results).get(case)
    if run is None:
        raise NotMeasured
    steps = clinic_steps(results, run)
    losses = steps["loss"].tail(RECENT_STEPS) if series == "train" else steps["held_out_loss"].dropna()
    if losses.empty:
        raise NotMeasured
    value = {"train": losses.mean(), "held_out": losses.iloc[-1], "lowest": losses.min()}[series]
    words = f"{CASES[case].title}, {quantities.whole(int(steps['step'].max()))} steps; {machine_label(run)}"
    return quantities.loss(float(value)), words, (run.run_id,)


def tokens_gain(results: Results) -> Answer:
    """The share by which the best loss with other tokens is below the best loss with bytes, in equal times, by seed."""
    pair = best_of_each_kind(compared(results))
    if pair is None:
        raise NotMeasured
    of_bytes, other = ({run.seed: loss for run, loss in zip(one.runs, one.losses, strict=True)} for one in pair)
    gains = [1.0 - other[seed] / loss for seed, loss in of_bytes.items() if seed in other]
    if not gains:
        raise NotMeasured
    words = [f"{one.first.preset} of {quantities.whole(one.vocab_size)} tokens, {one.loss:.4f}" for one in pair]
    runs = tuple(run.run_id for one in pair for run in one.runs)
    text = quantities.between(min(gains), max(gains), partial(quantities.percent, digits=1))
    source = f"{words[1]} against {words[0]}; {machine_label(pair[0].first)}"
    return f"{text} ({quantities.counted(len(gains), 'seed')})", source, runs


# Form of a name → the function that takes the results and the placeholders, and the command that measures it.
ANSWERS: MappingProxyType[str, tuple[Callable[..., Answer], str]] = MappingProxyType(
    {
        "sweep.loss.RECIPE.RATE": (loss_at_rate, SWEEP_COMMAND),
        "sweep.best.RECIPE": (best_of_recipe, SWEEP_COMMAND),
        "race.time.RACER": (race_time, RACE_COMMAND),
        "race.over.RACER": (race_ratio, RACE_COMMAND),
        "race.lowest.RACER": (race_lowest, RACE_COMMAND),
        "race.engine": (race_engine, RACE_COMMAND),
        "race.sooner": (race_sooner, RACE_COMMAND),
        "clinic.SERIES.CASE": (clinic_loss, "invoke clinic --cases {CASE}"),
        "tokenizers.gain": (tokens_gain, TOKENIZERS_COMMAND),
    }
)
