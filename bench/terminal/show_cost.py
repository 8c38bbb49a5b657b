"""A budget in the terminal, and the cost models behind it: 80 columns are enough."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.planning.budget import Budget, BudgetRow, make_budget
from bench.statistics.cost_model import CostModel
from bench.training.advice import loss_text
from tinygpt.system.memory import Memory
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import DASH, duration, gibibytes, short_count, span


def print_estimate(
    results_root: Path,
    minutes: float,
    preset: str | None = None,
    variant: str = "vectorized",
    corpus: str = "shakespeare",
    console: Console | None = None,
    machine: str | None = None,
    memory: Memory | None = None,
) -> Budget:
    """Print what some minutes of training would give, at one preset or at all of them.

    Args:
        results_root: the results folder.
        minutes: the span of time.
        preset: one preset, told in sentences; all in a table when None.
        variant: engine or variant.
        corpus: the text's name.
        console: where to print.
        machine: fingerprint of this machine, canonical JSON; looked at when None.
        memory: what there is; asked of the system when None.

    Raises:
        ConfigError: the time, the preset or the engine cannot be used.
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
    where = "this machine, by a few steps taken now" if budget.calibrated else "this machine"
    return f"{span(budget.minutes)} of {budget.variant} on {where}, text {budget.corpus}"


def _print_table(console: Console, budget: Budget) -> None:
    console.print(_heading(budget), style="bold", highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("preset", no_wrap=True)
    for name in ("a step", "steps", "tokens", "passes", "expected loss", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in budget.rows:
        cells = (
            row.preset,
            _step_text(row),
            f"{row.steps:,}",
            short_count(row.tokens),
            _passes_text(budget, row),
            loss_text(row),
            gibibytes(row.peak_bytes) + ("" if row.fits else " !"),
        )
        table.add_row(*(escape(cell) for cell in cells), style="" if row.fits else "dim")
    console.print(table)
    for note in _notes(budget):
        console.print(as_called(note), highlight=False, markup=False)


def _step_text(row: BudgetRow) -> str:
    return f"~{duration(row.step.seconds)}" if row.projected else duration(row.step.seconds)


def _passes_text(budget: Budget, row: BudgetRow) -> str:
    return f"{row.tokens / budget.text_bytes:.2g}×" if budget.text_bytes else DASH


def _notes(budget: Budget) -> list[str]:
    rows = budget.rows
    notes = []
    if any(row.projected for row in rows) and budget.model is not None:
        notes.append(f"~ projected, not measured. {error_sentence(budget.model)}")
    if budget.text_bytes:
        notes.append("Passes: tokens read over the size of the text.")
    if any(row.loss is not None for row in rows):
        notes.append("Loss: nats per byte on held-out text, from curves fitted to recorded training runs.")
    borrowed = sorted({row.curve_of for row in rows if row.loss and row.curve_of and row.curve_of != row.preset})
    if borrowed:
        notes.append(f"* never trained here at length: the curve of {' or '.join(borrowed)}, nearest in size.")
    if any(row.loss is None for row in rows):
        notes.append(f"{DASH} no recorded run reaches far enough. To record one: invoke train --record")
    if any(not row.fits for row in rows):
        notes.append("! does not fit into the memory that is available: invoke doctor")
    return notes


def error_sentence(model: CostModel) -> str:
    """How far off a cost model was on presets that it had not seen."""
    return (
        f"Leaving out each of the {len(model.measured)} measured presets in turn, the cost model was "
        f"{model.median_error:.0%} off in the median, {model.largest_error:.0%} at most."
    )


def _print_sentences(console: Console, budget: Budget, row: BudgetRow) -> None:
    entry_times = f"{duration(row.step.seconds)} a step"
    if row.projected:
        band = f"{duration(row.step.low)} to {duration(row.step.high)}"
        entry_times += f" (projected, {band})"
    else:
        entry_times += " (measured)"
    passes = f", {_passes_text(budget, row)} the text" if budget.text_bytes else ""
    console.print(f"{_heading(budget)}, preset {row.preset}", style="bold", highlight=False, markup=False)
    lines = [
        ("time", f"{entry_times}; {budget.step_share:.0%} of a run is spent in steps"),
        ("work", f"{row.steps:,} steps, {row.tokens:,} tokens{passes}"),
        ("loss", _loss_sentence(row)),
        ("memory", gibibytes(row.peak_bytes) + (" at the peak" if row.fits else ", more than is available")),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in lines:
        table.add_row(name, escape(text))
    console.print(table)


def _loss_sentence(row: BudgetRow) -> str:
    if row.loss is None:
        return "no recorded training run reaches far enough; to record one: invoke train --record"
    whose = "its own recorded run" if row.curve_of == row.preset else f"the run of {row.curve_of}, nearest in size"
    reach = (
        f", {row.loss.extrapolation:.1f} times as many tokens as that run read" if row.loss.extrapolation > 1 else ""
    )
    return f"{loss_text(row).removesuffix(' *')} nats per byte on held-out text, by {whose}{reach}"
