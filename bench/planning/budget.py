"""The result to expect of some minutes of training: steps, tokens, and the loss.

step time   measured here, or projected by the cost model
steps       minutes · (share of a training run that is spent in steps, from recorded runs) / step time
loss        a forecast from the training runs on record (``forecast.py``)
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.arms.variants import check_variant
from bench.planning.calibration import calibrate
from bench.planning.forecast import CannotTell, Forecast, fit_rates, forecast, misses_on_record, trained_runs
from bench.planning.memory import predicted_session_bytes
from bench.planning.projection import StepTime, fit_models, measured_cells
from bench.records.grouping import grouped
from bench.records.machine import fresh_machine
from bench.records.protocol import sha256_text
from bench.records.store import read_table
from bench.statistics.cells import CellSummary
from bench.statistics.cost_model import LEAST_LOG_ERROR, CostModel, Estimate
from bench.statistics.training_parts import EXPERIMENTS
from tinygpt.corpora import CORPORA
from tinygpt.errors import ConfigError, ResultsError
from tinygpt.presets import LADDER, PRESETS
from tinygpt.system.memory import Memory, available_memory

MOST_MINUTES = 365 * 24 * 60


@dataclass(frozen=True)
class BudgetRow:
    """The result to expect at one preset.

    Attributes:
        step: seconds of a step, with a band.
        projected: the step was projected, not measured.
        loss: forecast for held-out text, or the reason why there is none.
    """

    preset: str
    step: Estimate
    projected: bool
    steps: int
    tokens: int
    loss: Forecast | CannotTell
    peak_bytes: int
    fits: bool


@dataclass(frozen=True)
class Budget:
    """The result to expect at every selected preset.

    Attributes:
        model: of the projections; None with too few measured presets.
        step_share: share of a run's wall time that is spent in steps.
        text_tokens: size of the text; None if unknown without reading it.
        calibrated: the step times come from a few steps now, not from rows.
    """

    minutes: float
    variant: str
    corpus: str
    rows: tuple[BudgetRow, ...]
    model: CostModel | None
    step_share: float
    text_tokens: int | None
    calibrated: bool = False


def check_minutes(minutes: float) -> None:
    """Raise a ConfigError unless the time is above 0 and at most a year."""
    if not 0 < minutes <= MOST_MINUTES:
        allowed = f"a number above 0, and at most {MOST_MINUTES:,}, a year"
        raise ConfigError(f"minutes is {minutes:g}", allowed, "invoke estimate --minutes 15")


def plan_budget(
    runs: pd.DataFrame,
    steps: pd.DataFrame,
    minutes: float,
    machine: str,
    memory: Memory,
    variant: str,
    corpus: str,
    presets: tuple[str, ...] = (),
    measure: Callable[[], dict[str, float]] | None = None,
) -> Budget:
    """Estimate the result of some minutes of training.

    Args:
        minutes: above 0.
        machine: this machine's fingerprint, canonical JSON.
        presets: all when empty.
        measure: measures step times if this machine has none in the tables; without it, another machine's are used.

    Raises:
        ConfigError: the time is not above 0, or a preset does not exist.
        ResultsError: there are no step times of this engine.
    """
    check_minutes(minutes)
    presets = tuple(PRESETS[name].name for name in presets)
    cells, here = _cells_for(measured_cells(runs, steps), sha256_text(machine), variant)
    calibrated = measure is not None and not here
    seconds = measure() if measure and calibrated else {cell.preset: cell.seconds.median for cell in cells}
    if not seconds:
        raise ResultsError(
            f"no benchmark of {variant} is on record",
            "rows of this engine, of this machine or another",
            f"invoke bench --suite quick --engines '{variant}'",
        )
    scope = ("", "")
    model = fit_models(StepTime(scope, variant, *time) for time in seconds.items()).get(scope, {}).get(variant)
    trained = trained_runs(runs, steps)
    rates = fit_rates(misses_on_record(trained))
    share = _step_share(runs, steps, variant)
    rows = []
    for name in presets or LADDER:
        if name in seconds:
            # A cell's interval is that of its median; on another day the median differs by more.
            low, high = (seconds[name] * math.exp(sign * LEAST_LOG_ERROR) for sign in (-1, 1))
            step = Estimate(seconds[name], low, high)
        elif model is not None:
            step = model.estimate(name)
        else:
            continue
        entry, n_steps = PRESETS[name], int(minutes * 60.0 * share / step.seconds)
        tokens = n_steps * entry.tokens_per_step
        loss = forecast(trained, rates, name, corpus, max(1, tokens))
        peak = predicted_session_bytes(variant, entry.model, entry.train)
        fits = peak <= memory.available
        rows.append(BudgetRow(name, step, name not in seconds, n_steps, tokens, loss, peak, fits))
    if not rows:
        raise ResultsError(
            f"{variant} was measured at too few presets to project {', '.join(presets)}",
            "a preset that was measured, or two measured ones",
            f"invoke bench --presets {shlex.quote(','.join(presets))} --engines '{variant}'",
        )
    return Budget(
        minutes,
        variant,
        corpus,
        tuple(rows),
        model,
        share,
        CORPORA[corpus].n_bytes if corpus in CORPORA else None,
        calibrated,
    )


def _cells_for(cells: list[CellSummary], machine_hash: str, variant: str) -> tuple[list[CellSummary], bool]:
    """Return the variant's cells of one scope, and whether it is this machine's.

    This machine's rows come first, else another's; of published and local rows, those with more presets.
    """
    cells = [cell for cell in cells if cell.variant == variant]
    own = [cell for cell in cells if cell.machine_hash == machine_hash]
    return max(grouped(own or cells, lambda cell: cell.scope).values(), key=len, default=[]), bool(own)


def _step_share(runs: pd.DataFrame, steps: pd.DataFrame, variant: str) -> float:
    """Return the share of a run's wall time that its steps take: the median of recorded runs, 1 without any."""
    # Experiments evaluate much more often than a run does.
    ordinary = (runs["kind"] == "train") & ~runs["suite"].isin(EXPERIMENTS)
    train = runs[ordinary & (runs["status"] == "ok")]
    own = train[train["variant"] == variant]
    seconds = steps.groupby("cell_id")["seconds"].sum()
    chosen = own if len(own) else train
    shares = [
        float(seconds.get(cell, 0.0)) / float(wall)
        for cell, wall in zip(chosen["cell_id"], chosen["wall_seconds"], strict=True)
        if wall > 0
    ]
    return float(np.clip(np.median(shares), 0.05, 1.0)) if shares else 1.0


def make_budget(
    results_root: Path,
    minutes: float,
    preset: str | None,
    variant: str,
    corpus: str,
    machine: str | None = None,
    memory: Memory | None = None,
    announce: Callable[[str], None] = print,
) -> Budget:
    """Make a budget from the stored tables or from a few steps now; arguments and errors as of :func:`plan_budget`."""
    variant, memory = check_variant(variant), memory or available_memory()
    return plan_budget(
        read_table("runs", results_root),
        read_table("steps", results_root),
        minutes,
        machine or fresh_machine(),
        memory,
        variant,
        corpus,
        (preset,) if preset else (),
        partial(calibrate, variant, memory, announce),
    )
