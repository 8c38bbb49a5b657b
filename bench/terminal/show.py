"""Results in the terminal: one row per cell, machine by machine, published and local side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from bench.arms.devices import of_processors, on_accelerator
from bench.arms.labels import is_copy
from bench.arms.registry import REFERENCE
from bench.measuring.runner import RunSummary
from bench.records.grouping import grouped
from bench.records.publishing import Publication
from bench.records.store import read_table
from bench.statistics.accelerator_ratios import EAGER, accelerator_summary, is_preset
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells, chosen_ratios
from bench.statistics.compare import Comparison
from bench.statistics.noise import cell_verdict, noise_floors
from bench.statistics.ratios import speedups
from bench.statistics.training_parts import TrainingRun, joined_training
from bench.terminal.show_kernels import print_kernels
from bench.terminal.show_peers import print_peers
from tinygpt.errors import ResultsError
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import DASH, duration, or_dash, ratio

_BASELINES = ("python", REFERENCE)


_WIDTH = 160  # columns of a pipe or a file: as many as the tables want


def print_results(
    results_root: Path, console: Console | None = None, run_id: str | None = None, every_run: bool = False
) -> None:
    """Print what was measured: each cell by its chosen run (:mod:`bench.statistics.chosen_runs`).

    Args:
        results_root: the results folder.
        console: where to print.
        run_id: this run only.
        every_run: older runs of the same cells as well.

    Raises:
        ResultsError: a file cannot be used; raised after the good rows are printed. Or there is no such run.
    """
    console = console or make_console(_WIDTH)
    problems: list[ResultsError] = []
    runs = read_table("runs", results_root, problems)
    steps = read_table("steps", results_root, problems)
    kernels = read_table("kernels", results_root, problems)
    if run_id is not None:
        if run_id not in set(runs["run_id"]):
            raise ResultsError(f"there is no run {run_id!r}", "a run_id of the table", "invoke results show")
        runs = runs[runs["run_id"] == run_id]
    if runs.empty:
        console.print(as_called("Nothing is measured yet. Run: invoke bench --suite quick"), highlight=False)
    else:
        everything = cell_summary(of_processors(runs), steps)
        cells = [cell for cell in everything if not is_copy(cell.variant)]
        there = accelerator_summary(runs, steps)
        if every_run or run_id:
            _print_cells(console, cells, cells)
            _print_cells(console, there, there, (EAGER,))
        else:
            _print_cells(console, cells, chosen_cells(cells))
            _print_cells(console, there, chosen_cells([cell for cell in there if is_preset(cell)]), (EAGER,))
        print_peers(console, runs, steps)
        print_kernels(console, runs, steps, kernels)
        _print_noise(console, everything)
        _print_training(console, joined_training(runs, steps)[0])
    for problem in problems[1:]:
        console.print(f"error: {problem}", style="red", highlight=False, markup=False)
    if problems:
        raise problems[0]


def print_run(summary: RunSummary, results_root: Path, console: Console | None = None) -> None:
    """Print what a run measured, how its cells ended, and where the rows are."""
    console = console or make_console(_WIDTH)
    if summary.statuses:
        with suppress(ResultsError):  # another run's damaged file is named, and takes nothing from this run
            print_results(results_root, console, summary.run_id)
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no cell"
    missing = summary.n_planned - len(summary.statuses)
    tail = f", {missing} not started" if missing else ""
    console.print(
        f"{counts}{tail}. Rows: {results_root / 'local'}, run {summary.run_id}", highlight=False, soft_wrap=True
    )


def print_publication(publication: Publication, console: Console | None = None) -> None:
    """Print which runs are published, which are left out and why, which files were added, and what is left to do."""
    console = console or make_console(_WIDTH)
    for candidate, verb in (
        *((candidate, "publish") for candidate in publication.chosen),
        *((candidate, "leave out") for candidate in publication.left_out),
    ):
        counts = ", ".join(f"{count} {status}" for status, count in candidate.statuses.items())
        code = candidate.commit[:7] if candidate.commit else "no commit"
        reason = f": {', '.join(candidate.objections)}" if candidate.objections else ""
        console.print(
            f"{verb} {candidate.run_id}  {candidate.kind}, {candidate.suite}, {' '.join(candidate.presets)}, {counts}, "
            f"{code}{reason}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    for path in publication.files:
        console.print(f"added {path}", highlight=False, markup=False, soft_wrap=True)
    if publication.files:
        text = "Commit them to publish them."
    elif publication.chosen:
        text = "Nothing was added yet."
    else:
        text = "There is no local run that is not published yet."
    console.print(text, highlight=False)


def print_merged(paths: Sequence[Path], console: Console | None = None) -> None:
    """Print which files came in."""
    console = console or make_console(_WIDTH)
    for path in paths:
        console.print(f"added {path}", highlight=False, markup=False, soft_wrap=True)
    if not paths:
        text = "Nothing to add. Name folders that hold other results: invoke results merge --dirs DIR,DIR"
        console.print(as_called(text))


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print both sides cell by cell: times, how much faster the second is, the noise, and a verdict."""
    console = console or make_console(_WIDTH)
    console.print(f"{comparison.before} → {comparison.after}", style="bold", highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("preset", "engine"):
        table.add_column(name, no_wrap=True)
    for name in ("before", "after", "times faster", "95 % interval", "noise floor", "verdict"):
        table.add_column(name, justify="right")
    for point in comparison.points:
        verdict = f"{point.verdict}, slower" if point.slower else point.verdict
        texts = [
            point.preset,
            point.variant,
            duration(point.before_seconds),
            duration(point.after_seconds),
            f"{point.ratio.speedup:.3f}×",
            f"{point.ratio.low:.3f} to {point.ratio.high:.3f}",
            f"{point.floor:.1%}",
            verdict,
        ]
        table.add_row(*(escape(text) for text in texts))
    if comparison.points:
        console.print(table)
    for line in comparison.missing:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    slower = [f"{point.variant} at {point.preset}" for point in comparison.points if point.slower]
    if slower:
        text = f"Slower by more than {comparison.threshold:.0%}, the noise floor and the interval: {', '.join(slower)}."
    elif not comparison.points:
        text = "No cell was measured on both sides."
    else:
        text = f"Nothing is slower by more than {comparison.threshold:.0%}, the noise floor and the interval."
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def machine_line(machine: str, origin: str, variant: str = "") -> str:
    """A fingerprint in one line: of the accelerator for what it computed, else of the processor."""
    m = json.loads(machine)
    if on_accelerator(variant):
        return f"{origin}: {m['accelerator'] or 'an accelerator'} beside {m['cpu']}, {m['os']}, {m['python']}"
    blas = f"{m['blas']} {m['blas_kernel'] or ''}".strip()
    return (
        f"{origin}: {m['cpu']}, {m['arch_level']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['os']}, "
        f"{m['python']}, NumPy {m['numpy']}, {blas}, {m['blas_threads']} threads"
    )


@dataclass(frozen=True)
class _Column:
    """A column of the cells' table: heading, text of a cell, and whether a narrow terminal goes without it."""

    heading: str
    text: Callable[[CellSummary], str]
    spare: bool = False
    justify: JustifyMethod = "right"


_CELL_COLUMNS = (
    _Column("preset", lambda cell: cell.preset, justify="left"),
    _Column("engine", lambda cell: cell.variant, justify="left"),
    _Column("step", lambda cell: duration(cell.seconds.median) if cell.n_rounds else cell.status),
    _Column("95 % interval", lambda cell: _interval_text(cell), spare=True),
    _Column("rounds", lambda cell: str(cell.n_rounds or DASH), spare=True),
    _Column("verdict", cell_verdict, spare=True, justify="left"),
    _Column("tokens/s", lambda cell: f"{cell.tokens_per_second:,.0f}" if cell.n_rounds else DASH),
    _Column("peak", lambda cell: f"{cell.peak_memory_bytes / 1e6:,.0f} MB" if cell.peak_memory_bytes else DASH),
)
_WIDE = 145  # characters that all columns need


def _print_cells(
    console: Console, cells: list[CellSummary], shown: list[CellSummary], baselines: Sequence[str] = _BASELINES
) -> None:
    columns = [
        *_CELL_COLUMNS,
        *(_Column(f"over {name}", _ratio_texts(cells, name, len(shown) < len(cells))) for name in baselines),
        _Column("protocol", lambda cell: cell.protocol_hash[:8], spare=True),
        _Column("code", _code_text, spare=True, justify="left"),
    ]
    columns = [column for column in columns if console.width >= _WIDE or not column.spare]
    for group in grouped(shown, lambda cell: cell.scope).values():
        first = group[0]
        console.print(
            machine_line(first.machine, first.origin, first.variant),
            highlight=False,
            markup=False,
            style="bold",
            soft_wrap=True,
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column.heading, justify=column.justify, no_wrap=column.justify == "left", overflow="fold")
        for cell in group:
            table.add_row(*(escape(column.text(cell)) for column in columns))
        console.print(table)
        for cell in group:
            if cell.n_failed:
                reason = str(cell.error_tail).splitlines()[-1]
                console.print(
                    f"{cell.variant} at {cell.preset}: {cell.n_failed} of {cell.n_attempts} failed: {reason}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )


def _print_noise(console: Console, cells: list[CellSummary]) -> None:
    """What A/A arms came to: the same engine twice in one run."""
    for (run_id, preset), floor in noise_floors(cells).items():
        console.print(
            f"noise floor at {preset}: {floor:.1%} between two interleaved arms of one engine, run {run_id}",
            highlight=False,
            soft_wrap=True,
        )


def _interval_text(cell: CellSummary) -> str:
    if not cell.n_rounds:
        return DASH
    return f"{duration(cell.seconds.low)} to {duration(cell.seconds.high)}"


def _code_text(cell: CellSummary) -> str:
    return cell.commit[:7] + ("+" if cell.dirty else "") if cell.commit else DASH


def _ratio_texts(cells: list[CellSummary], baseline: str, choose: bool) -> Callable[[CellSummary], str]:
    """Text of a cell's ratio: the one of its own run, or the chosen run's."""
    pairs = speedups(cells, baseline)
    key: Callable[[CellSummary], object] = (lambda cell: cell.arm) if choose else (lambda cell: cell.key)
    found = {key(pair.cell): pair for pair in (chosen_ratios(pairs) if choose else pairs)}

    def text(cell: CellSummary) -> str:
        pair = found.get(key(cell))
        return ratio(pair.ratio.speedup) if pair and cell.variant != baseline else DASH

    return text


def _print_training(console: Console, runs: list[TrainingRun]) -> None:
    if not runs:
        return
    console.print("Training runs", style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("started (UTC)", "preset", "corpus", "engine", "status"):
        table.add_column(name)
    for name in ("steps", "first loss", "training loss", "held-out loss"):
        table.add_column(name, justify="right")
    table.add_column("origin")
    for run in sorted(runs, key=lambda run: run.started_at):
        losses = (run.first_loss, run.train_loss, run.held_out_loss)
        texts = [
            f"{run.started_at:%Y-%m-%d %H:%M}",
            *(run.preset, run.corpus, run.variant, run.status),
            f"{run.steps_done} of {run.measured_steps}",
            *(or_dash(loss, ".3f") for loss in losses),
            run.origin,
        ]
        table.add_row(*(escape(text) for text in texts))
    console.print(table)
