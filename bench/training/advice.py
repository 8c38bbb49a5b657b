"""Advice before spending time: which preset, how many steps, what to expect; and afterwards, how close it came.

Of the presets that fit into memory and whose loss can be told, the one with the lowest expected loss. Where no training
run is on record for a text, nobody knows its curves: then it is the largest preset that reads at least
``TOKENS_PER_PARAMETER`` bytes for each of its parameters, the point up to which a larger model pays.

The curves are those of the presets' own settings. With another recipe they still choose, for they are all there is, but
nobody expects their loss: of a rate that falls, the losses on the way to a run's end say nothing of shorter runs.
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

# About what Hoffmann et al. (2022) found for compute-optimal training.
TOKENS_PER_PARAMETER = 20


@dataclass(frozen=True)
class Advice:
    """What to train in a span of time.

    Attributes:
        row: the chosen preset's row of the budget.
        minutes: the span.
        reason: what decided for the preset.
        departures: options of the run that no curve is of; empty for the preset's own settings.
    """

    row: BudgetRow
    minutes: float
    reason: str
    departures: str = ""

    @property
    def steps(self) -> int:
        """Updates that fit in, at least 1."""
        return max(1, self.row.steps)

    @property
    def expected(self) -> Expected:
        """For the run's row."""
        loss = None if self.row.loss is None or self.departures else self.row.loss.loss
        return Expected(self.minutes * 60.0, loss)

    def for_run(self, plan: TrainingPlan) -> Advice:
        """The same for a run with these settings."""
        own = plan.preset_entry.train
        return self if plan.train_config(own) == own else replace(self, departures=plan.options_text())


def advise(budget: Budget) -> Advice:
    """Choose a preset of the budget's; where it has one, that was asked for.

    Raises:
        CapacityError: none fits into the memory that is available.
    """
    fitting = [row for row in budget.rows if row.fits]
    if not fitting:
        raise CapacityError("no preset fits into the memory that is available", "a smaller preset", "invoke doctor")
    if len(budget.rows) == 1:
        return Advice(fitting[0], budget.minutes, "as asked")
    known = [row for row in fitting if row.loss is not None]
    if known:
        best = min(known, key=lambda row: row.loss.loss if row.loss else 0.0)
        return Advice(best, budget.minutes, "the lowest expected loss")
    enough = [row for row in fitting if row.tokens >= TOKENS_PER_PARAMETER * PRESETS[row.preset].model.n_parameters]
    return Advice((enough or fitting[:1])[-1], budget.minutes, "the largest that so much text is enough for")


def advice_text(advice: Advice) -> str:
    """The advice in one sentence."""
    row = advice.row
    step = duration(row.step.seconds) + (" projected" if row.projected else "")
    loss = "" if row.loss is None else f"; held-out loss about {loss_text(row).removesuffix(' *')} nats per byte"
    if loss and advice.departures:
        loss += f" at the preset's own settings; how far {advice.departures} leads, no recorded run tells"
    return (
        f"{span(advice.minutes)}: preset {row.preset} ({advice.reason}), {advice.steps:,} steps at {step} each, "
        f"{short_count(row.tokens)} bytes read{loss}"
    )


def outcome_text(expected: Expected, stop: StopRecord) -> str:
    """How close the advice came, in one sentence."""
    off = stop.elapsed_seconds / expected.seconds - 1.0
    time = f"{duration(stop.elapsed_seconds)} instead of {duration(expected.seconds)} ({off:+.0%})"
    if expected.loss is None or stop.held_out_loss is None:
        return f"it took {time}"
    return f"it took {time}; held-out loss {stop.held_out_loss:.3f}, expected {expected.loss:.3f}"


def loss_text(row: BudgetRow) -> str:
    """An expected loss with its error; marked where it is another preset's, a dash where nothing reaches."""
    if row.loss is None:
        return DASH
    error = f" ± {max(row.loss.error, 0.01):.2f}" if row.loss_error_known else " ± ?"
    return f"{row.loss.loss:.2f}{error}{'' if row.curve_of == row.preset else ' *'}"
