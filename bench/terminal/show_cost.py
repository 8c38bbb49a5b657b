"""A budget in the terminal, within 80 columns, and the error of its cost model."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.planning.budget import Budget, BudgetRow, make_budget
from bench.planning.forecast import CannotTell, Forecast
from bench.statistics.cost_model import CostModel
from bench.terminal.tables import print_fields, print_table
from bench.training.advice import grade_text, looks_text, loss_text
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.system.memory import Memory
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import DASH, duration, gibibytes, short_count, span


def print_estimate(
    results_root: Path,
    minutes: float,
    preset: str | None = None,
    variant: str = DEFAULT_ENGINE,
    corpus: str = "shakespeare",
    console: Console | None = None,
    machine: str | None = None,
    memory: Memory | None = None,
) -> Budget:
    """Print the result to expect of some minutes of training.

    Args:
        results_root: the results folder.
        minutes: of training.
        preset: one preset in sentences; all in a table when None.
        variant: engine or variant.
        corpus: name of the text.
        console: standard output's when None.
        machine: fingerprint of this machine, canonical JSON; read when None.
        memory: the system's when None.

    Raises:
        ConfigError: the time, the preset or the engine is not allowed.
        ResultsError: there are no step times of this engine.
    """
    console = console or make_console()
    budget = make_budget(results_root, minutes, preset, variant, corpus, machine, memory)
    if preset:
        _print_sentences(console, budget, budget.rows[0])
    else:
        _print_table(console, budget)
    return budget


def _heading(budget: Budget) -> str:
    where = "this machine, from a few steps just now" if budget.calibrated else "this machine"
    return f"{span(budget.minutes)} of {budget.variant} on {where}, text {budget.corpus}"


def _print_table(console: Console, budget: Budget) -> None:
    print_line(console, _heading(budget), "bold")
    rows = []
    for row in budget.rows:
        texts = (
            *(row.preset, _step_text(row), f"{row.steps:,}", short_count(row.tokens), _passes_text(budget, row)),
            *(loss_text(row), grade_text(budget.corpus, row)),
            gibibytes(row.peak_bytes) + ("" if row.fits else " !"),
        )
        rows.append([Text(text, "" if row.fits else "dim") for text in texts])
    numbers = ("step", "steps", "tokens", "passes", "expected loss", "looks like", "memory")
    print_table(console, ("preset",), numbers, rows, ("passes", "tokens", "looks like"))
    for note in _notes(budget):
        console.print(as_called(note), highlight=False, markup=False)


def _step_text(row: BudgetRow) -> str:
    return f"~{duration(row.step.seconds)}" if row.projected else duration(row.step.seconds)


def _passes_text(budget: Budget, row: BudgetRow) -> str:
    return f"{row.tokens / budget.text_tokens:.2g}×" if budget.text_tokens else DASH


def _notes(budget: Budget) -> list[str]:
    rows = budget.rows
    notes = []
    if any(row.projected for row in rows) and budget.model is not None:
        notes.append(f"~ projected, not measured. {_error_sentence(budget.model)}")
    if budget.text_tokens:
        notes.append("Passes: tokens over the size of the text.")
    if any(isinstance(row.loss, Forecast) for row in rows):
        notes.append("Loss: nats per byte on held-out text, from curves fitted to recorded training runs.")
        notes.append("Looks like: the grades of counting models of that loss; invoke evaluate grades a model.")
        notes.append("±: the error of such forecasts on record. What another seed changes is not included.")
    if any("*" in loss_text(row) for row in rows):
        notes.append("* from the run of another preset: the interval includes what that has cost on record.")
    if any("?" in loss_text(row) for row in rows):
        notes.append("? beyond the run's end, and the interval is wider than what those tokens buy.")
    if unknown := [(row.preset, row.loss) for row in rows if isinstance(row.loss, CannotTell)]:
        preset, why = unknown[-1]
        notes.append(f"cannot tell, for example {preset}: {why.reason}. To record a run: {why.command}")
    if any(not row.fits for row in rows):
        notes.append("! does not fit into the available memory: invoke doctor")
    return notes


def _error_sentence(model: CostModel) -> str:
    return (
        f"With each of the {len(model.measured)} measured presets left out in turn, the cost model's median error was "
        f"{model.median_error:.0%}, the largest {model.largest_error:.0%}."
    )


def _print_sentences(console: Console, budget: Budget, row: BudgetRow) -> None:
    source = f"projected, {duration(row.step.low)} to {duration(row.step.high)}" if row.projected else "measured"
    passes = f", {_passes_text(budget, row)} the text" if budget.text_tokens else ""
    print_line(console, f"{_heading(budget)}, preset {row.preset}", "bold")
    lines = [
        ("time", f"{duration(row.step.seconds)} per step ({source}); {budget.step_share:.0%} of a run is steps"),
        ("work", f"{row.steps:,} steps, {row.tokens:,} tokens{passes}"),
        ("loss", _loss_sentence(row)),
        ("looks like", looks_text(budget.corpus, row)),
        ("memory", gibibytes(row.peak_bytes) + (" at the peak" if row.fits else ", more than is available")),
    ]
    print_fields(console, lines)


def _loss_sentence(row: BudgetRow) -> str:
    if isinstance(row.loss, CannotTell):
        return str(row.loss)
    source = "its own recorded run" if row.loss.source == row.preset else f"the run of {row.loss.source}"
    beyond = f", {row.loss.stretch:.1f} times its tokens" if row.loss.stretch > 1 else ""
    return f"{row.loss} nats per byte on held-out text, from {source}{beyond}" + (
        f"; {row.loss.caveat}" if row.loss.caveat else ""
    )
