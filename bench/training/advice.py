"""Advice on what to train in some minutes: preset, dropout and expected loss; after the run, the difference from it.

The advice is the preset that fits into memory and whose interval of the expected loss ends lowest. If another preset's
interval begins below that end, the advice says that it cannot tell which of them is better. Of a text without runs on
record it expects no loss before the run; the presets are then ranked by their losses on the text that the record knows
best. Without any forecast, the advice is the largest preset that reads at least ``TOKENS_PER_PARAMETER`` bytes per
parameter, because a larger model is no better with fewer.

While the run goes on, its own evaluations say how it will end, on any text, if runs of about its length are on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.arms.variants import check_variant
from bench.planning.appearance import appearance
from bench.planning.budget import Budget, BudgetRow, check_minutes
from bench.planning.by_the_clock import dropout_for, has_forecast, on_a_known_text, plan_minutes
from bench.planning.final_losses import EndOfRun, ends_of_runs, outlook
from bench.planning.forecast import CannotTell, Forecast
from bench.records.store import read_table
from bench.training.record_training import Expected
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.errors import CapacityError
from tinygpt.presets import PRESETS
from tinygpt.system.memory import Memory, available_memory
from tinygpt.terminal.quantities import duration, short_count, span
from tinygpt.tokenizers import BYTES, load_tokenizer
from tinygpt.training.events import EvaluationRecord, Event, PlanRecord, StopRecord
from tinygpt.training.plan import TrainingPlan

# In the same time, medium has caught up with small when it has read so many (recipe muon on tinyshakespeare, in the
# published ablations). Hoffmann et al. (2022) found 20 for large models that read no text twice.
TOKENS_PER_PARAMETER = 4
_OUTLOOKS = (0.2, 0.5)  # shares of a run after which its end is estimated


@dataclass(frozen=True)
class Advice:
    """The preset to train in some minutes.

    Attributes:
        row: the chosen preset's row of the budget.
        reason: for this preset.
        corpus: name of the text.
        dropout: by the number of passes over the text.
        other_settings: options of the run that differ from those that the record's losses belong to.
        ends: the ends of runs on record, for the outlook.
    """

    row: BudgetRow
    minutes: float
    reason: str
    corpus: str
    dropout: float = 0.0
    other_settings: str = ""
    ends: tuple[EndOfRun, ...] = ()

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
        """Return the advice for a run with the plan's settings, which may have others than its recipe's."""
        own = replace(plan, learning_rate=None, batch_size=None, accumulation=None, warmup_steps=None, schedule=None)
        base = plan.preset_entry.train
        same = (
            plan.train_config(base) == own.train_config(base)
            and plan.patience is None
            and plan.tokenizer in (None, BYTES.name)
        )
        return self if same else replace(self, other_settings=plan.options_text())


def advise(budget: Budget, ends: Sequence[EndOfRun] = ()) -> Advice:
    """Choose one of the budget's presets; a single one is the user's choice.

    Raises:
        CapacityError: none fits into the available memory.
    """
    advice = _advise(budget, ends)
    passes = advice.row.tokens / budget.text_tokens if budget.text_tokens else 0.0
    return replace(advice, dropout=dropout_for(passes), ends=tuple(ends))


def _advise(budget: Budget, ends: Sequence[EndOfRun]) -> Advice:
    fitting = [row for row in budget.rows if row.fits]
    if not fitting:
        raise CapacityError("no preset fits into the available memory", "a smaller preset", "invoke doctor")
    if len(budget.rows) == 1:
        return Advice(fitting[0], budget.minutes, "as requested", budget.corpus)
    if has_forecast(budget):
        return _lowest(budget, fitting)
    if (known := on_a_known_text(budget, ends)) is not None:
        ranked = _lowest(known, [row for row in known.rows if row.fits])
        own = next(row for row in fitting if row.preset == ranked.row.preset)
        return replace(ranked, row=own, reason=f"{ranked.reason} on {known.corpus}", corpus=budget.corpus)
    enough = [row for row in fitting if row.tokens >= TOKENS_PER_PARAMETER * PRESETS[row.preset].model.n_parameters]
    largest = (enough or fitting[:1])[-1]
    return Advice(largest, budget.minutes, "the largest with enough text per parameter", budget.corpus)


def _lowest(budget: Budget, fitting: Sequence[BudgetRow]) -> Advice:
    known = [(row.loss, row) for row in fitting if isinstance(row.loss, Forecast)]
    best, chosen = min(known, key=lambda one: one[0].loss + one[0].spread)
    close = [row.preset for loss, row in known if row is chosen or loss.loss - loss.spread < best.loss + best.spread]
    reason = "the lowest expected loss"
    if len(close) > 1:
        names = f"{', '.join(close[:-1])} and {close[-1]}"
        reason = f"cannot tell which of {names} is better; its interval of the loss ends lowest"
    return Advice(chosen, budget.minutes, reason, budget.corpus)


def advise_minutes(
    results_root: Path,
    minutes: float,
    spent: float,
    variant: str,
    corpus: Corpus,
    preset: str | None,
    recipe: str,
    tokenizer: str = BYTES.name,
    memory: Memory | None = None,
) -> Advice:
    """Take a few steps and choose what to train in some minutes; ``spent`` are the command's seconds so far.

    Raises:
        ConfigError: the time is not above 0.
        CapacityError: no preset fits into the available memory.
    """
    check_minutes(minutes)
    variant = check_variant(variant)
    ends = ends_of_runs(read_table("runs", results_root), read_table("steps", results_root), recipe)
    presets = (preset,) if preset else ()
    memory = memory or available_memory()
    text = corpus_tokens(corpus, load_tokenizer(tokenizer, corpus))
    budget = plan_minutes(ends, minutes, spent, variant, corpus.name, text, memory, presets, recipe, print)
    advice = advise(budget, ends)
    only = not preset and len(budget.rows) == 1
    return replace(advice, reason="the only one that was timed in this time") if only else advice


def advice_text(advice: Advice) -> str:
    """Return the advice in one sentence."""
    row = advice.row
    if isinstance(row.loss, CannotTell):
        loss = f"held-out loss: cannot tell yet, {row.loss.reason}; the run shows it after a fifth of its time"
    else:
        loss = f"held-out loss about {row.loss} nats per byte{row.loss.caveat and ' (' + row.loss.caveat + ')'}"
        if advice.other_settings:
            loss += f" with the recipe's own settings, unknown with {advice.other_settings}"
        else:
            loss += f", {looks_text(advice.corpus, row)}"
    return (
        f"{span(advice.minutes)}: preset {row.preset} ({advice.reason}), about {advice.steps:,} steps at "
        f"{duration(row.step.seconds)} each, {short_count(row.tokens)} bytes of text; {loss}"
    )


def with_outlook(events: Iterable[Event], ends: Sequence[EndOfRun], shown: list[str]) -> Iterator[Event]:
    """Pass a session's events on, and append a sentence on the run's end at a fifth and at half of it to ``shown``."""
    evaluation: EvaluationRecord | None = None
    waiting = list(_OUTLOOKS)
    for event in events:
        yield event
        if isinstance(event, EvaluationRecord):
            evaluation = event
        if isinstance(event, PlanRecord) and evaluation is not None and waiting:
            share = event.step / event.plan.steps
            tokens = float(event.plan.steps * event.plan.preset_entry.tokens_per_step)
            if waiting[0] - 0.02 <= share < 1.0 and (found := outlook(ends, share, tokens)) is not None:
                waiting.pop(0)
                low, high = (evaluation.held_out_loss * (found.ratio + sign * found.miss) for sign in (-1, 1))
                shown.append(
                    f"at {share:.0%} of the time: expected at the end, a held-out loss of {low:.2f} to {high:.2f}"
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
