"""The plan of a run by the clock: preset, dropout and expected loss for some minutes on this machine.

step time   a few steps of every preset that may fit, now, with the recipe's own update
steps       (minutes − what the command has spent) · share that is left for steps / step time
dropout     by how often the text is read
preset      the lowest expected loss: on this text if the record has it, else on the text that it knows best;
            other tokens count as if they were bytes
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.planning.budget import Budget, BudgetRow
from bench.planning.calibration import calibrate
from bench.planning.final_losses import EndOfRun, forecast_end
from bench.planning.forecast import CannotTell, Forecast
from bench.planning.memory import predicted_session_bytes
from bench.statistics.cost_model import Estimate
from tinygpt.config import TrainConfig
from tinygpt.corpora.token_files import CorpusTokens
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS, Preset
from tinygpt.recipes import RECIPES
from tinygpt.system.memory import Memory
from tinygpt.terminal.quantities import duration

RECIPE, WITHOUT_MUON = "muon", "stable"
# From the cheapest step to the dearest.
CANDIDATES = ("tiny", "small", "medium", "medium256", "large", "xl", "huge")
_STEP_SHARE = 0.94  # the rest: evaluations, samples, checkpoints
_CALIBRATION_SHARE = 0.05  # of the minutes, at most
# Passes over the text → dropout. On tinyshakespeare, 21 passes without it ended lower than 15 passes with 0.1.
_DROPOUTS = ((21.0, 0.0), (50.0, 0.1), (float("inf"), 0.2))


def dropout_for(passes: float) -> float:
    """Return the dropout for a number of passes over the text."""
    return next(dropout for most, dropout in _DROPOUTS if passes <= most)


def train_for(preset: Preset, recipe: str, steps: int = 1000) -> TrainConfig:
    """Return the settings of a preset with a recipe."""
    return RECIPES[recipe].apply(preset.train, preset.model, steps)


def plan_minutes(
    ends: Sequence[EndOfRun],
    minutes: float,
    spent: float,
    variant: str,
    corpus: str,
    text: CorpusTokens,
    memory: Memory,
    presets: tuple[str, ...],
    recipe: str,
    announce: Callable[[str], None],
) -> Budget:
    """Take a few steps and return what each preset would give.

    Args:
        ends: on record, of this recipe.
        spent: seconds of this command so far, which count.
        text: the corpus in the run's tokens.
        presets: ``CANDIDATES`` when empty.

    Raises:
        ConfigError: the time is over before the first step.
    """
    started = time.perf_counter()
    seconds = calibrate(
        variant,
        memory,
        announce,
        lambda preset: train_for(preset, recipe),
        _CALIBRATION_SHARE * 60 * minutes,
        presets or CANDIDATES,
        text.tokenizer.vocab_size,
    )
    spent += time.perf_counter() - started  # with compiling, on a machine that had not compiled the engine before
    left = 60.0 * minutes - spent
    if left < min(seconds.values()):
        problem = f"--minutes {minutes:g} is over before the first step: preparing took {duration(spent)}"
        run = "the same command again, for what was compiled is kept"
        raise ConfigError(problem, "more minutes, or a less busy machine", run)
    rows = []
    for name, step in seconds.items():
        preset = PRESETS[name]
        steps = max(1, int(left * _STEP_SHARE / step))
        tokens = steps * preset.tokens_per_step
        model = replace(preset.model, vocab_size=text.tokenizer.vocab_size)
        peak = predicted_session_bytes(variant, model, preset.train)
        loss = forecast_end(ends, name, corpus, tokens)
        rows.append(
            BudgetRow(name, Estimate(step, step, step), False, steps, tokens, loss, peak, peak <= memory.available)
        )
    return Budget(minutes, variant, corpus, tuple(rows), None, _STEP_SHARE, len(text.train), calibrated=True)


def on_a_known_text(budget: Budget, ends: Sequence[EndOfRun]) -> Budget | None:
    """Return the budget with the losses of the text that has the most runs on record, to rank the presets by."""
    if not ends:
        return None
    known = Counter(end.corpus for end in ends).most_common(1)[0][0]
    rows = tuple(replace(row, loss=forecast_end(ends, row.preset, known, row.tokens)) for row in budget.rows)
    return replace(budget, rows=rows, corpus=known) if any(isinstance(row.loss, Forecast) for row in rows) else None


def has_forecast(budget: Budget) -> bool:
    """Return whether the record has this text at some preset."""
    return not all(isinstance(row.loss, CannotTell) for row in budget.rows)
