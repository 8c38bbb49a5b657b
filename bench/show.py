"""Results in the terminal: one row per cell, machine by machine, published and local side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from bench.cells import REFERENCE
from bench.progress import format_seconds
from bench.runner import RunSummary
from bench.stats import cell_summary, speedups
from bench.store import read_table
from tinygpt.errors import ResultsError

_BASELINES = ("python", REFERENCE)
_DASH = "–"


def print_results(results_root: Path, console: Console | None = None, run_id: str | None = None) -> None:
    """Print everything that was measured, or one run.

    Raises:
        ResultsError: a file cannot be used; raised after the good rows are printed. Or there is no such run.
    """
    console = console or _console()
    problems: list[ResultsError] = []
    runs = read_table("runs", results_root, problems)
    steps = read_table("steps", results_root, problems)
    if run_id is not None:
        if run_id not in set(runs["run_id"]):
            raise ResultsError(f"there is no run {run_id!r}", "a run_id of the table", "invoke results show")
        runs = runs[runs["run_id"] == run_id]
    if runs.empty:
        console.print("Nothing is measured yet. Run: invoke bench --suite quick", highlight=False)
    else:
        _print_cells(console, cell_summary(runs, steps))
        _print_training(console, runs[runs["kind"] == "train"])
    for problem in problems[1:]:
        console.print(f"error: {problem}", style="red", highlight=False, markup=False)
    if problems:
        raise problems[0]


def print_run(summary: RunSummary, results_root: Path, console: Console | None = None) -> None:
    """Print what a run measured, how its cells ended, and where the rows are."""
    console = console or _console()
    if summary.statuses:
        with suppress(ResultsError):  # another run's damaged file is named, and takes nothing from this run
            print_results(results_root, console, summary.run_id)
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no cell"
    missing = summary.n_planned - len(summary.statuses)
    tail = f", {missing} not started" if missing else ""
    console.print(
        f"{counts}{tail}. Rows: {results_root / 'local'}, run {summary.run_id}", highlight=False, soft_wrap=True
    )


def print_published(paths: Sequence[Path], console: Console | None = None) -> None:
    """Print which files were added to the published ones, and what is left to do."""
    console = console or _console()
    for path in paths:
        console.print(f"added {path}", highlight=False, markup=False, soft_wrap=True)
    text = "Commit them to publish them." if paths else "There is no local run that is not published yet."
    console.print(text, highlight=False)


def _console() -> Console:
    """The terminal as it is; a pipe or a file as wide as the tables want."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def machine_line(machine: str, origin: str) -> str:
    """A fingerprint in one line."""
    m = json.loads(machine)
    blas = f"{m['blas']} {m['blas_kernel'] or ''}".strip()
    return (
        f"{origin}: {m['cpu']}, {m['arch_level']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['os']}, "
        f"{m['python']}, NumPy {m['numpy']}, {blas}, {m['blas_threads']} threads"
    )


@dataclass(frozen=True)
class _Column:
    """A column of the cells' table: heading, text of a row, and whether a narrow terminal goes without it."""

    heading: str
    text: Callable[[pd.Series], str]
    spare: bool = False
    justify: JustifyMethod = "right"


_CELL_COLUMNS = (
    _Column("preset", lambda row: row["preset"], justify="left"),
    _Column("engine", lambda row: row["variant"], justify="left"),
    _Column("step", lambda row: format_seconds(row["median_step_seconds"]) if row["n_rounds"] else row["status"]),
    _Column("95 % interval", lambda row: _interval_text(row), spare=True),
    _Column("rounds", lambda row: str(row["n_rounds"]) if row["n_rounds"] else _DASH, spare=True),
    _Column("tokens/s", lambda row: f"{row['tokens_per_second']:,.0f}" if row["n_rounds"] else _DASH),
    _Column("peak", lambda row: f"{row['peak_memory_bytes'] / 1e6:,.0f} MB" if row["peak_memory_bytes"] > 0 else _DASH),
)
_WIDE = 110  # characters that all columns need


def _print_cells(console: Console, summary: pd.DataFrame) -> None:
    if summary.empty:
        return
    ratios = {baseline: speedups(summary, baseline) for baseline in _BASELINES}
    columns = [
        *_CELL_COLUMNS,
        *(_Column(f"over {name}", partial(_ratio_text, ratios=ratios[name])) for name in _BASELINES),
        _Column("protocol", lambda row: row["protocol_hash"][:8], spare=True),
    ]
    columns = [column for column in columns if console.width >= _WIDE or not column.spare]
    for _, group in summary.groupby(["origin", "machine_hash"], sort=False):
        first = group.iloc[0]
        console.print(
            machine_line(first["machine"], first["origin"]), highlight=False, markup=False, style="bold", soft_wrap=True
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column.heading, justify=column.justify, no_wrap=column.justify == "left", overflow="fold")
        for _, row in group.iterrows():
            table.add_row(*(escape(column.text(row)) for column in columns))
        console.print(table)
        for _, row in group[group["n_failed"] > 0].iterrows():
            reason = str(row["error_tail"]).splitlines()[-1]
            console.print(
                f"{row['variant']} at {row['preset']}: {row['n_failed']} of {row['n_attempts']} failed: {reason}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def _interval_text(row: pd.Series) -> str:
    if not row["n_rounds"]:
        return _DASH
    low, high = format_seconds(row["low_step_seconds"]), format_seconds(row["high_step_seconds"])
    return f"{low} to {high}"


def _ratio_text(row: pd.Series, ratios: pd.DataFrame) -> str:
    keys = ["origin", "machine_hash", "protocol_hash", "variant", "preset"]
    found = ratios[(ratios[keys] == row[keys]).all(axis=1)] if len(ratios) else ratios
    if not len(found) or row["variant"] == found.iloc[0]["baseline"]:
        return _DASH
    return f"{found.iloc[0]['speedup']:.3g}×"


def _print_training(console: Console, runs: pd.DataFrame) -> None:
    if runs.empty:
        return
    console.print("Training runs", style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("started (UTC)", "preset", "corpus", "engine", "status"):
        table.add_column(name)
    for name in ("steps", "first loss", "last loss", "held-out loss"):
        table.add_column(name, justify="right")
    table.add_column("origin")
    for _, row in runs.sort_values("started_at").iterrows():
        losses = (row["first_loss"], row["last_loss"], row["held_out_loss"])
        texts = [
            f"{row['started_at']:%Y-%m-%d %H:%M}",
            *(str(row[name]) for name in ("preset", "corpus", "variant", "status")),
            f"{row['steps_done']} of {row['measured_steps']}",
            *(f"{loss:.3f}" if pd.notna(loss) else _DASH for loss in losses),
            str(row["origin"]),
        ]
        table.add_row(*(escape(text) for text in texts))
    console.print(table)
