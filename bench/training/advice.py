"""Advice on what to train in some minutes: preset, steps and expected loss; after the run, the difference from it.

The advice is the preset that fits into memory and whose interval of the expected loss ends lowest. If another preset's
interval begins below that end, the advice says that it cannot tell which of them is better. Without any forecast, the
advice is the largest preset that reads at least ``TOKENS_PER_PARAMETER`` bytes per parameter, because a larger model
is no better with fewer.

The curves belong to the presets' own settings. With another recipe they still choose the preset, because there are no
others, but the run has no expected loss: if the rate falls until the run's end, a long run's earlier losses are not
those of shorter runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.planning.appearance import appearance
from bench.planning.budget import Budget, BudgetRow
from bench.planning.forecast import CannotTell, Forecast
from bench.training.record_training import Expected
from tinygpt.errors import CapacityError
from tinygpt.presets import LADDER
from tinygpt.terminal.quantities import duration, short_count, span
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
        corpus: name of the text.
        other_settings: options of the run that differ from the preset's own settings, which the curves belong to.
    """

    row: BudgetRow
    minutes: float
    reason: str
    corpus: str
    other_settings: str = ""

    @property
    def steps(self) -> int:
        """Updates that fit into the time, at least 1."""
        return max(1, self.row.steps)

    @property
    def expected(self) -> Expected:
        """The expected result, for the run's row."""
        loss, seconds = self.row.loss, self.minutes * 60.0
        if isinstance(loss, CannotTell) or self.other_settings:
            return Expected(seconds)
        return Expected(seconds, loss.loss, loss.spread)

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
        return Advice(fitting[0], budget.minutes, "as requested", budget.corpus)
    known = [(row.loss, row) for row in fitting if isinstance(row.loss, Forecast)]
    if known:
        best, chosen = min(known, key=lambda one: one[0].loss + one[0].spread)
        close = [
            row.preset for loss, row in known if row is chosen or loss.loss - loss.spread < best.loss + best.spread
        ]
        reason = "the lowest expected loss"
        if len(close) > 1:
            names = f"{', '.join(close[:-1])} and {close[-1]}"
            reason = f"cannot tell which of {names} is better; its interval of the loss ends lowest"
        return Advice(chosen, budget.minutes, reason, budget.corpus)
    enough = [row for row in fitting if row.tokens >= TOKENS_PER_PARAMETER * LADDER[row.preset].model.n_parameters]
    largest = (enough or fitting[:1])[-1]
    return Advice(largest, budget.minutes, "the largest with enough text per parameter", budget.corpus)


def advice_text(advice: Advice) -> str:
    """Return the advice in one sentence."""
    row = advice.row
    step = duration(row.step.seconds) + (" projected" if row.projected else "")
    if isinstance(row.loss, CannotTell):
        loss = f"held-out loss: cannot tell, {row.loss.reason}"
    else:
        loss = f"held-out loss about {row.loss} nats per byte{row.loss.caveat and ' (' + row.loss.caveat + ')'}"
        if advice.other_settings:
            loss += f" with the preset's own settings, unknown with {advice.other_settings}"
        else:
            loss += f", {looks_text(advice.corpus, row)}"
    return (
        f"{span(advice.minutes)}: preset {row.preset} ({advice.reason}), {advice.steps:,} steps at {step} each, "
        f"{short_count(row.tokens)} bytes of text; {loss}"
    )


def outcome_text(expected: Expected, stop: StopRecord) -> str:
    """Return the difference between a run and its advice, in one sentence."""
    off = stop.elapsed_seconds / expected.seconds - 1.0
    time = f"{duration(stop.elapsed_seconds)} instead of {duration(expected.seconds)} ({off:+.0%})"
    if expected.loss is None or stop.held_out_loss is None:
        return f"it took {time}"
    spread = "" if expected.spread is None else f" ± {expected.spread:.3f}"
    return f"it took {time}; held-out loss {stop.held_out_loss:.3f}, expected {expected.loss:.3f}{spread}"


def loss_text(row: BudgetRow) -> str:
    """Return an expected loss; ``*`` marks another preset's curve, ``?`` an interval wider than the gain beyond it."""
    if isinstance(row.loss, CannotTell):
        return "cannot tell"
    return f"{row.loss} {'*' if row.loss.source != row.preset else ''}{'?' if row.loss.caveat else ''}".rstrip()


def looks_text(corpus: str, row: BudgetRow) -> str:
    """Describe what an expected loss will look like, by counting models and grades."""
    if isinstance(row.loss, CannotTell):
        return "cannot tell"
    look = appearance(corpus, row.loss.loss, row.loss.spread)
    return str(look) if look else "cannot tell what that looks like: no card has the counting models of this text"


def grade_text(corpus: str, row: BudgetRow) -> str:
    """Return the grades of an expected loss for a table."""
    look = None if isinstance(row.loss, CannotTell) else appearance(corpus, row.loss.loss, row.loss.spread)
    return look.grade if look else "cannot tell"
