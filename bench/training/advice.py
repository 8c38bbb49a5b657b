"""Advice on what to train in some minutes: preset, steps and expected loss; after the run, the difference from it.

The advice is the preset with the lowest expected loss of those that fit into memory. If no training run on the text is
recorded, there are no loss curves: then the advice is the largest preset that reads at least ``TOKENS_PER_PARAMETER``
bytes per parameter, because a larger model is no better with fewer.

The curves belong to the presets' own settings. With another recipe they still choose the preset, because there are no
others, but the run has no expected loss: if the rate falls until the run's end, a long run's earlier losses are not
those of shorter runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.planning.budget import Budget, BudgetRow
from bench.training.record_training import Expected
from tinygpt.errors import CapacityError
from tinygpt.presets import PRESETS
from tinygpt.terminal.quantities import DASH, duration, short_count, span
from tinygpt.training.events import StopRecord
from tinygpt.training.plan import TrainingPlan

# About the value of Hoffmann et al. (2022) for compute-optimal training.
TOKENS_PER_PARAMETER = 20


@dataclass(frozen=True)
class Advice:
    """The preset to train in some minutes.

    Attributes:
        row: the chosen preset's row of the budget.
        reason: for this preset.
        other_settings: options of the run that differ from the preset's own settings, which the curves belong to.
    """

    row: BudgetRow
    minutes: float
    reason: str
    other_settings: str = ""

    @property
    def steps(self) -> int:
        """Updates that fit into the time, at least 1."""
        return max(1, self.row.steps)

    @property
    def expected(self) -> Expected:
        """The expected result, for the run's row."""
        loss = None if self.row.loss is None or self.other_settings else self.row.loss.loss
        return Expected(self.minutes * 60.0, loss)

    def for_run(self, plan: TrainingPlan) -> Advice:
        """Return the advice for a run with the plan's settings."""
        own = plan.preset_entry.train
        return self if plan.train_config(own) == own else replace(self, other_settings=plan.options_text())


def advise(budget: Budget) -> Advice:
    """Choose one of the budget's presets; a single one is the user's choice.

    Raises:
        CapacityError: none fits into the available memory.
    """
    fitting = [row for row in budget.rows if row.fits]
    if not fitting:
        raise CapacityError("no preset fits into the available memory", "a smaller preset", "invoke doctor")
    if len(budget.rows) == 1:
        return Advice(fitting[0], budget.minutes, "as requested")
    known = [row for row in fitting if row.loss is not None]
    if known:
        best = min(known, key=lambda row: row.loss.loss if row.loss else 0.0)
        return Advice(best, budget.minutes, "the lowest expected loss")
    enough = [row for row in fitting if row.tokens >= TOKENS_PER_PARAMETER * PRESETS[row.preset].model.n_parameters]
    return Advice((enough or fitting[:1])[-1], budget.minutes, "the largest with enough text per parameter")


def advice_text(advice: Advice) -> str:
    """Return the advice in one sentence."""
    row = advice.row
    step = duration(row.step.seconds) + (" projected" if row.projected else "")
    loss = "" if row.loss is None else f"; held-out loss about {loss_text(row).removesuffix(' *')} nats per byte"
    if loss and advice.other_settings:
        loss += f" with the preset's own settings, unknown with {advice.other_settings}"
    return (
        f"{span(advice.minutes)}: preset {row.preset} ({advice.reason}), {advice.steps:,} steps at {step} each, "
        f"{short_count(row.tokens)} bytes of text{loss}"
    )


def outcome_text(expected: Expected, stop: StopRecord) -> str:
    """Return the difference between a run and its advice, in one sentence."""
    off = stop.elapsed_seconds / expected.seconds - 1.0
    time = f"{duration(stop.elapsed_seconds)} instead of {duration(expected.seconds)} ({off:+.0%})"
    if expected.loss is None or stop.held_out_loss is None:
        return f"it took {time}"
    return f"it took {time}; held-out loss {stop.held_out_loss:.3f}, expected {expected.loss:.3f}"


def loss_text(row: BudgetRow) -> str:
    """Return an expected loss with its error; a star marks another preset's curve, a dash a missing one."""
    if row.loss is None:
        return DASH
    error = f" ± {max(row.loss.error, 0.01):.2f}" if row.loss_error_known else " ± ?"
    return f"{row.loss.loss:.2f}{error}{'' if row.curve_of == row.preset else ' *'}"
