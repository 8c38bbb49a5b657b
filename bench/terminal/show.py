"""Results in the terminal: a table of cells for each machine, published and local ones apart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from bench.arms.devices import of_processors, on_accelerator
from bench.arms.labels import is_copy
from bench.arms.registry import REFERENCE
from bench.arms.variants import kind_of
from bench.measuring.runner import RunSummary
from bench.records.grouping import grouped
from bench.records.publishing import Publication
from bench.records.store import read_tables
from bench.statistics.accelerator_ratios import EAGER, accelerator_summary, is_preset
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import ChosenRuns, chosen_cells, chosen_ratios, complete_runs
from bench.statistics.compare import KINDS, Comparison, Finding, Outcome, Point
from bench.statistics.noise import NO_FLOOR, Floors, cell_verdict, noise_floors, rounds_apart
from bench.statistics.ratios import speedups
from bench.statistics.training_parts import TrainingRun, joined_training
from bench.terminal.show_kernels import print_kernels
from bench.terminal.show_peers import print_peers
from bench.terminal.show_probes import print_probes
from bench.terminal.show_token import print_tokens
from bench.terminal.tables import UNRESOLVED, UNRESOLVED_NOTE, print_table, ratio_text
from tinygpt.errors import ResultsError
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console, print_line
from tinygpt.terminal.quantities import DASH, duration, durations, listed, or_dash

_BASELINES = ("python", REFERENCE)
_NEWEST = 50  # training runs that are shown unless all are asked for
_WIDTH = 160  # columns in a pipe or a file


def print_results(
    results_root: Path, console: Console | None = None, run_id: str | None = None, every_run: bool = False
) -> None:
    """Print the chosen run of each arm (:mod:`bench.statistics.chosen_runs`).

    Args:
        results_root: the results folder.
        console: standard output's when None.
        run_id: all cells of this run instead.
        every_run: all runs instead.

    Raises:
        ResultsError: the run does not exist, or a file is damaged; the good files' rows are printed first.
    """
    console = console or make_console(_WIDTH)
    problems: list[ResultsError] = []
    names = ("runs", "steps", "kernels", "probes")
    runs, steps, kernels, probes = read_tables(results_root, names, problems)
    if run_id is not None:
        if run_id not in set(runs["run_id"]):
            raise ResultsError(f"there is no run {run_id!r}", "a run_id of the table", "invoke results show")
        runs = runs[runs["run_id"] == run_id]
    if runs.empty:
        print_line(console, as_called("Nothing is measured yet. Run: invoke bench --suite quick"))
    else:
        every_run = every_run or run_id is not None
        measured = cell_summary(of_processors(runs), steps, KINDS)
        with_copies = [cell for cell in measured if kind_of(cell.variant) == "bench"]
        cells = [cell for cell in with_copies if not is_copy(cell.variant)]
        accelerated = accelerator_summary(runs, steps)
        floors = noise_floors(with_copies)
        if every_run:
            _print_cells(console, cells, cells, floors=floors)
            _print_cells(console, accelerated, accelerated, (EAGER,))
        else:
            chosen = complete_runs(measured)
            _print_cells(console, cells, chosen_cells(cells, chosen), floors=floors, chosen=chosen)
            at_presets = chosen_cells([cell for cell in accelerated if is_preset(cell)])
            _print_cells(console, accelerated, at_presets, (EAGER,), chosen=MappingProxyType({}))
        print_peers(console, runs, steps)
        print_tokens(console, runs, steps)
        print_probes(console, runs, steps, probes, every_run)
        print_kernels(console, runs, steps, kernels)
        for floor in floors.values():
            print_line(console, f"noise floor: {floor}")
        _print_training(console, joined_training(runs, steps)[0], every_run)
    for problem in problems[1:]:
        print_line(console, f"error: {problem}", "red")
    if problems:
        raise problems[0]


def print_run(summary: RunSummary, results_root: Path, console: Console | None = None) -> None:
    """Print a run's results, the number of its cells by status, and the folder of its rows."""
    console = console or make_console(_WIDTH)
    if summary.statuses:
        with suppress(ResultsError):  # another run's damaged file, which is no error of this run
            print_results(results_root, console, summary.run_id)
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no cell"
    missing = summary.n_planned - len(summary.statuses)
    counts += f", {missing} not started" if missing else ""
    print_line(console, f"{counts}. Rows: {results_root / 'local'}, run {summary.run_id}")


def print_publication(publication: Publication, console: Console | None = None) -> None:
    """Print the runs that are published or left out, with reasons, the added files, and the next step."""
    console = console or make_console(_WIDTH)
    for verb, candidates in (("publish", publication.chosen), ("leave out", publication.left_out)):
        for candidate in candidates:
            counts = ", ".join(f"{count} {status}" for status, count in candidate.statuses.items())
            code = candidate.commit[:7] if candidate.commit else "no commit"
            words = (candidate.kind, candidate.suite, " ".join(candidate.presets), counts, code)
            reason = f": {', '.join(candidate.objections)}" if candidate.objections else ""
            print_line(console, f"{verb} {candidate.run_id}  {', '.join(words)}{reason}")
    for path in publication.files:
        print_line(console, f"added {path}")
    if publication.files:
        text = "Commit them to publish them."
    elif publication.chosen:
        text = "Nothing was added."
    else:
        text = "There is no local run to publish."
    print_line(console, text)


def print_merged(paths: Sequence[Path], console: Console | None = None) -> None:
    """Print the added files."""
    console = console or make_console(_WIDTH)
    for path in paths:
        print_line(console, f"added {path}")
    if not paths:
        text = "Nothing to add. Name folders that have other results: invoke results merge --dirs DIR,DIR"
        print_line(console, as_called(text))


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print each cell of both sides: its times, their ratio, what could have been seen, and what can be said."""
    console = console or make_console(_WIDTH)
    print_line(console, f"{comparison.before} → {comparison.after}", "bold")
    rows = []
    for point in comparison.points:
        found = point.finding
        rows.append(
            (
                *(point.preset, point.variant),
                *(duration(point.before_seconds), duration(point.after_seconds)),
                f"{found.speedup:.3f}×",
                _ends(found),
                f"{found.detectable:.1%}" if math.isfinite(found.detectable) else DASH,
                found.outcome,
            )
        )
    if rows:
        numbers = ("before", "after", "times faster", "interval", "detectable from", "outcome")
        print_table(console, ("preset", "engine"), numbers, rows, ("detectable from", "before", "after"))
    for line in comparison.missing:
        print_line(console, line)
    for basis, points in grouped(comparison.points, lambda point: point.finding.basis).items():
        print_line(console, f"{_cells_of(points, comparison)}: {basis}", "dim")
    by_outcome = grouped(comparison.points, lambda point: point.finding.outcome)
    for outcome, text in _OUTCOMES.items():
        if outcome in by_outcome:
            words = text.format(threshold=f"{comparison.threshold:.0%}")
            print_line(console, f"{words}: {_cells_of(by_outcome[outcome], comparison)}.")
    if not comparison.points:
        print_line(console, "The two sides have no cell in common.")


def _ends(found: Finding) -> str:
    """The interval with its level; few rounds may know one end only."""
    low, high = found.low > 0, math.isfinite(found.high)
    if not (low or high):
        return "no interval"
    one = f"above {found.low:.3f}" if low else f"below {found.high:.3f}"
    return f"{f'{found.low:.3f} to {found.high:.3f}' if low and high else one} ({found.confidence:.0%})"


_OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {
        "slower": "Slower",
        "faster": "Faster",
        "not slower": "Not slower by {threshold}",
        "inconclusive": "Inconclusive; a new comparison with more rounds may tell (--rounds)",
        "not comparable": "Not comparable, because an hour later a machine is another one",
    }
)


def _cells_of(points: Sequence[Point], comparison: Comparison) -> str:
    if len(points) == len(comparison.points) > 1:
        return f"all {len(points)}"
    by_variant = grouped(points, lambda point: point.variant).items()
    return "; ".join(f"{variant} at {listed(point.preset for point in found)}" for variant, found in by_variant)


def _machine_line(cell: CellSummary) -> str:
    m = json.loads(cell.machine)
    if on_accelerator(cell.variant):
        return f"{cell.origin}: {m['accelerator'] or 'an accelerator'} beside {m['cpu']}, {m['os']}, {m['python']}"
    blas = f"{m['blas']} {m['blas_kernel'] or ''}".strip()
    return (
        f"{cell.origin}: {m['cpu']}, {m['arch_level']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['os']}, "
        f"{m['python']}, NumPy {m['numpy']}, {blas}, {m['blas_threads']} threads"
    )


_CELL_COLUMNS: Mapping[str, Callable[[CellSummary], str]] = MappingProxyType(
    {
        "preset": lambda cell: cell.preset,
        "engine": lambda cell: cell.variant,
        "step": lambda cell: duration(cell.seconds.median) if cell.n_rounds else cell.status,
        "95 % interval": lambda cell: _interval_text(cell),
        "verdict": cell_verdict,
        "rounds": lambda cell: f"{cell.n_rounds or DASH}{rounds_apart(cell).replace('rounds ', ', ')}",
        "tokens/s": lambda cell: f"{cell.tokens_per_second:,.0f}" if cell.n_rounds else DASH,
        "peak": lambda cell: f"{cell.peak_memory_bytes / 1e6:,.0f} MB" if cell.peak_memory_bytes else DASH,
        "protocol": lambda cell: cell.protocol_hash[:8],
        "code": lambda cell: cell.commit[:7] + "+" * bool(cell.dirty) if cell.commit else DASH,
    }
)
_SPARE = ("protocol", "peak", "code", "tokens/s", "over python", "rounds")
_ELSEWHERE = "*"
_ELSEWHERE_NOTE = f"{_ELSEWHERE} the mean of several runs, or of another run than the time"


def _print_cells(
    console: Console,
    cells: list[CellSummary],
    shown: list[CellSummary],
    baselines: Sequence[str] = _BASELINES,
    floors: Floors = MappingProxyType({}),
    chosen: ChosenRuns | None = None,
) -> None:
    """Print cells with their ratios: of their own runs, or of the chosen runs where ``chosen`` is given."""
    ratios = {f"over {name}": _ratio_texts(cells, name, floors, chosen) for name in reversed(baselines)}
    columns = {**_CELL_COLUMNS, **ratios}
    for (_, run_id), group in grouped(shown, lambda cell: (cell.scope, cell.run_id if chosen is None else "")).items():
        print_line(console, (f"run {run_id}, " if run_id else "") + _machine_line(group[0]), "bold")
        rows = [[text(cell) for text in columns.values()] for cell in group]
        print_table(console, [*columns][:2], [*columns][2:], rows, _SPARE)
        marked = {mark for row in rows for text in row[-len(ratios) :] for mark in (text[0], text[-1])}
        for mark, note in ((UNRESOLVED, UNRESOLVED_NOTE), (_ELSEWHERE, _ELSEWHERE_NOTE)):
            if mark in marked:
                print_line(console, note, "dim")
        for cell in group:
            if cell.n_failed:
                counts = f"{cell.n_failed} of {cell.n_attempts} failed"
                reason = str(cell.error_tail).splitlines()[-1]
                print_line(console, f"{cell.variant} at {cell.preset}: {counts}: {reason}")


def _interval_text(cell: CellSummary) -> str:
    if not cell.has_interval:
        return "no interval" if cell.n_rounds else DASH
    return durations(cell.seconds.low, cell.seconds.high)


def _ratio_texts(
    cells: list[CellSummary], baseline: str, floors: Floors, chosen: ChosenRuns | None
) -> Callable[[CellSummary], str]:
    """Return a function from a cell to the text of its ratio, marked if it is unresolved or of other runs."""
    pairs = speedups(cells, baseline)
    key: Callable[[CellSummary], object] = (lambda cell: cell.key) if chosen is None else (lambda cell: cell.arm)
    by_cell = {key(pair.cell): pair for pair in (pairs if chosen is None else chosen_ratios(pairs, chosen))}

    def text(cell: CellSummary) -> str:
        pair = by_cell.get(key(cell))
        if pair is None or cell.variant == baseline:
            return DASH
        elsewhere = pair.cell.key != cell.key or len(pair.ratio.runs) > 1
        return ratio_text(pair.ratio, floors.get(cell.machine_hash, NO_FLOOR)) + _ELSEWHERE * elsewhere

    return text


def _print_training(console: Console, runs: list[TrainingRun], every_run: bool) -> None:
    if not runs:
        return
    runs = sorted(runs, key=lambda run: run.started_at)
    shown = runs if every_run else runs[-_NEWEST:]
    print_line(console, "Training runs", "bold")
    rows = [
        (
            *(f"{run.started_at:%Y-%m-%d %H:%M}", run.origin, run.preset, run.corpus, run.variant, run.status),
            f"{run.steps_done} of {run.measured_steps}",
            *(or_dash(loss, ".3f") for loss in (run.first_loss, run.train_loss, run.held_out_loss)),
        )
        for run in shown
    ]
    names = ("started (UTC)", "origin", "preset", "corpus", "engine", "status")
    numbers = ("steps", "first loss", "training loss", "held-out loss")
    print_table(console, names, numbers, rows, ("origin", "first loss", "training loss", "corpus"))
    if len(shown) < len(runs):
        print_line(console, as_called(f"{len(runs) - len(shown):,} older training runs: invoke results show --all"))
