"""Run a suite: its cells one after another, each in its own process; rows are written after each cell.

    lock ─► corpus ─► plan ─► for every cell: refuse, or run_worker ─► cell_end ─► rows ─► write_tables
                              then once more for the rounds that the probe marks

A failed cell becomes a row and does not stop the suite. Ctrl-C stops it: the current cell becomes an ``interrupted``
row, and cells that have not started have no row. Any unfinished run can be resumed: its missing cells are measured
under the same conditions or not at all.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from rich.console import Console

from bench.arms.labels import read_label
from bench.arms.registry import OURS
from bench.arms.suites import DEFAULT_CORPUS, Cell, Suite
from bench.measuring.announce import announce, announce_again
from bench.measuring.cell_rows import cell_rows, machine_of, median_step
from bench.measuring.endings import CellEnd, cell_end
from bench.measuring.machine_lock import measurement_lock
from bench.measuring.peer_preparation import prepare
from bench.measuring.process import Event, Outcome, run_worker
from bench.measuring.progress import SuiteProgress
from bench.measuring.run_plan import RunOptions, RunPlan, drop_plan, no_repeats, read_plan, unfinished, write_plan
from bench.records.machine import fresh_machine
from bench.records.process_rows import RunContext, new_run_id
from bench.records.protocol import Protocol, benchmark_protocol, generation_protocol, sha256_text, token_protocol
from bench.records.provenance import code_sha256, read_provenance
from bench.records.rows import Kind, Rows, RunRow, Status
from bench.records.store import local_rows_of, read_table, remove_leftovers, stored_runs, write_tables
from bench.statistics.probe_adjustment import relative_probes, round_probes
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.data import BatchSampler
from tinygpt.errors import ConfigError
from tinygpt.system.stopping import signals_as_interrupts
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console, print_line

# Protocols of what trains nothing, by the kind of a suite's cells.
_PROTOCOLS: Mapping[Kind, Callable[[str, str, str, int, int], Protocol]] = MappingProxyType(
    {"generation": generation_protocol, "token": token_protocol}
)


@dataclass(frozen=True)
class RunSummary:
    """The result of a run.

    Attributes:
        statuses: of the cells that have a row, in running order; the last one of a repeated cell.
        n_planned: cells of the suite and of the rounds that are measured again.
        interrupted: the run was stopped by the user.
        machine_changed: a worker reported another machine than the runner had at the start.
        code_changed: a worker may have run other code than the first one.
    """

    run_id: str
    statuses: tuple[str, ...]
    n_planned: int
    interrupted: bool
    machine_changed: bool
    code_changed: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Cells by status."""
        return dict(Counter(self.statuses))

    @property
    def exit_code(self) -> int:
        """0 if the run can be used, even with failed cells; 130 if stopped; else 1."""
        if self.interrupted:
            return 130
        return 0 if "ok" in self.statuses and not self.machine_changed and not self.code_changed else 1


def run_suite(
    suite: Suite,
    results_root: Path,
    corpus: str | Corpus = DEFAULT_CORPUS,
    seed: int = 0,
    console: Console | None = None,
    options: RunOptions | None = None,
) -> RunSummary:
    """Run every cell of a suite and write its rows to ``results_root/local``.

    Args:
        results_root: the results folder; made if missing.
        seed: of every cell's starting weights and batches.
        console: for progress; the standard output when None.

    Raises:
        BusyError: another measurement is running.
        ConfigError: the suite has no cell, or the seed is negative.
        CorpusError: the text cannot be loaded.
        StorageError: a row cannot be written.
    """
    if not suite.cells:
        raise ConfigError(f"suite {suite.name!r} has no cell", "at least one preset and engine", "invoke bench")
    if seed < 0:
        raise ConfigError(f"seed is {seed}", "0 or more", "invoke bench")
    options, console = options or RunOptions(), console or make_console()
    with measurement_lock(options.lock_file):
        text = load_corpus(corpus) if isinstance(corpus, str) else corpus
        plan = _plan(suite, text, seed)
        for run_id in unfinished(results_root)[-1:]:
            hint = f"Run {run_id} is unfinished. To resume it: invoke bench --resume {run_id}"
            print_line(console, as_called(hint), "dim")
        return _run(plan, Rows(), text, results_root, console, options)


def resume_run(
    run_id: str,
    results_root: Path,
    corpus: Corpus | None = None,
    console: Console | None = None,
    options: RunOptions | None = None,
) -> RunSummary:
    """Resume a run: measure the cells that have no row or only ``interrupted`` ones.

    Args:
        run_id: its name, or ``last``.
        results_root: the results folder of the run.
        corpus: the run's text, if it cannot be loaded by its name.
        console: for progress; the standard output when None.

    Raises:
        BusyError: another measurement is running.
        ResultsError: there is no such unfinished run, or the machine, code or text has changed.
        StorageError: a row cannot be written.
    """
    options, console = options or RunOptions(), console or make_console()
    plan = read_plan(results_root, run_id)
    with measurement_lock(options.lock_file):
        remove_leftovers(results_root, plan.run_id)
        text = corpus or load_corpus(plan.corpus)
        plan.require_unchanged(replace(_plan(plan.suite, text, plan.seed), run_id=plan.run_id))
        return _run(plan, local_rows_of(results_root, plan.run_id), text, results_root, console, options)


def _plan(suite: Suite, text: Corpus, seed: int) -> RunPlan:
    machine = fresh_machine()
    run_id, provenance = new_run_id(sha256_text(machine)), read_provenance()
    return RunPlan(run_id, suite, text.name, text.sha256, seed, machine, provenance, code_sha256())


def _run(plan: RunPlan, rows: Rows, text: Corpus, root: Path, console: Console, options: RunOptions) -> RunSummary:
    with tempfile.TemporaryDirectory(prefix="tinygpt-") as scratch:
        return _Run(plan, rows, text, root, console, options, Path(scratch)).run()


class _Run:
    """The state of one run: its rows so far, and the reference's losses by preset."""

    def __init__(
        self,
        plan: RunPlan,
        rows: Rows,
        text: Corpus,
        root: Path,
        console: Console,
        options: RunOptions,
        scratch: Path,
    ) -> None:
        self.plan, self.root, self.console, self.options, self.scratch = plan, root, console, options, scratch
        self.context = RunContext(plan.run_id, plan.suite.name, plan.provenance, plan.machine, options.kind)
        plan_protocol = _PROTOCOLS.get(plan.suite.cells[0].kind, benchmark_protocol)
        self.protocols = {
            preset: plan_protocol(preset, text.name, text.sha256, plan.seed, plan.suite.rounds)
            for preset in dict.fromkeys(cell.preset for cell in plan.suite.cells)
        }
        for protocol in self.protocols.values():
            # Refuse a text that is too short before any cell runs.
            BatchSampler(text.train_tokens, protocol.batch_size, protocol.context_length, plan.seed)
        # Workers read the bytes that were hashed here, and need neither a network nor a cache.
        self.tokens = scratch / "train.bin"
        self.tokens.write_bytes(text.train)
        self.rows, self.cells = rows, plan.suite.cells
        self.reference = self._reference_losses()
        self.machine_changed = any(row.machine != plan.machine for row in rows.runs)
        self.code_changed = False

    def run(self) -> RunSummary:
        cells = self._missing(self.cells)
        resumable = not self.options.trees  # another commit's code is unpacked only for this run
        resumed = self.context.run_id if self.rows.runs else None
        announce(self.console, self.plan.suite, cells, resumed, self.options.repeat is not no_repeats)
        if resumable:
            write_plan(self.root, self.plan)
        n_steps = max(protocol.total_steps for protocol in self.protocols.values())
        n_done = len(self.cells) - len(cells)
        progress = SuiteProgress(self.console, cells, n_steps, n_done, self._earlier_seconds())
        with signals_as_interrupts(), progress:
            try:
                interrupted = not (self._run_cells(cells, progress) and self._repeat_rounds(progress))
            except KeyboardInterrupt:  # between two cells, perhaps during a write
                interrupted = True
                write_tables(self.root, self.context.run_id, self.rows)
        if interrupted and resumable:
            print_line(self.console, as_called(f"To resume: invoke bench --resume {self.context.run_id}"))
        elif not interrupted:
            drop_plan(self.root, self.context.run_id)
        for changed, subject in ((self.machine_changed, "machine"), (self.code_changed, "code")):
            if changed:
                print_line(self.console, f"The {subject} changed during the run: do not publish it.")
        last = {(row.variant, row.preset, row.round): row.status for row in self.rows.runs}
        return RunSummary(
            self.context.run_id,
            tuple(last.values()),
            len(self.cells),
            interrupted,
            self.machine_changed,
            self.code_changed,
        )

    def _run_cells(self, cells: Iterable[Cell], progress: SuiteProgress) -> bool:
        """Measure cells; False if the user stopped one."""
        for cell in cells:
            progress.start_cell(cell)
            if self._run_cell(cell, progress) == "interrupted":
                return False
        return True

    def _repeat_rounds(self, progress: SuiteProgress) -> bool:
        """Measure the planned rounds that the probe marks once more, all arms of each; False if the user stopped.

        A resumed run chooses the same ones, because only planned rounds are looked at.
        """
        planned = pd.DataFrame([row for row in self.rows.runs if row.replaces is None])
        probes: dict[str, dict[int, float]] = {}
        if self.rows.probes:
            of_rounds = round_probes(relative_probes(planned, pd.DataFrame(self.rows.probes)))
            for preset in of_rounds.index.unique("preset"):
                found = of_rounds.xs(preset, level="preset")
                numbers = found.index.get_level_values("round").tolist()
                probes[preset] = dict(zip(numbers, found.tolist(), strict=True))
        again: list[Cell] = []
        for preset in dict.fromkeys(cell.preset for cell in self.cells):
            chosen = self.options.repeat(probes.get(preset, {}))
            first = 1 + max(cell.round for cell in self.cells if cell.preset == preset)
            for number, replaced in enumerate(chosen, first):
                again += self.plan.suite.cells_of_round(preset, number, replaced)
        cells = self._missing(again)
        self.cells += tuple(again)
        if cells:
            announce_again(self.console, cells, probes)
            progress.add(cells, len(again) - len(cells))
        return self._run_cells(cells, progress)

    # ---- rows of earlier runs, and of this run's earlier part -----------------------------------------------

    def _earlier_seconds(self) -> dict[tuple[str, str], float]:
        """Return the seconds of each arm's newest process on this machine, to estimate the remaining time."""
        runs = read_table("runs", self.root, problems=[])  # other commands report damaged files
        here = stored_runs(runs[(runs["machine"] == self.plan.machine) & runs["status"].isin(["ok", "timeout"])])
        return {
            (run.variant, run.preset): min(run.wall_seconds, run.limit_seconds)
            for run in sorted(here, key=lambda run: run.started_at)
            if run.limit_seconds is not None
        }

    def _attempts(self, cell: Cell) -> list[RunRow]:
        key = (cell.variant, cell.preset, cell.round)
        return [row for row in self.rows.runs if (row.variant, row.preset, row.round) == key]

    def _missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells that have no row or only ``interrupted`` ones."""
        return [cell for cell in cells if all(row.status == "interrupted" for row in self._attempts(cell))]

    def _reference_losses(self) -> dict[str, list[float]]:
        """Return the losses of the reference's first good round, by preset."""
        losses: dict[str, list[float]] = {}
        for row in self.rows.runs:
            if row.status == "ok" and row.variant == self.options.reference and row.preset not in losses:
                losses[row.preset] = [step.loss for step in self.rows.steps if step.cell_id == row.cell_id]
        return losses

    # ---- one cell ------------------------------------------------------------------------------------------

    def _run_cell(self, cell: Cell, progress: SuiteProgress) -> Status:
        """Measure one cell and write its rows; return its status."""
        protocol = self.protocols[cell.preset]
        variant = read_label(cell.variant).variant
        ready = prepare(variant, self.scratch)
        engine_cell = replace(cell, variant=OURS if cell.kind == "kernels" else variant)
        # Products alone have no gradients and no moments: they fit wherever an engine does.
        reason = ready.refusal or (self.options.refuse(engine_cell) if cell.kind not in ("roofline", "token") else None)
        if reason is None:
            outcome = self._measure(cell, protocol, progress, ready.environment)
            end = cell_end(cell, protocol, outcome, self.reference.get(cell.preset))
        else:
            outcome, end = Outcome(), CellEnd("refused", reason)
        steps = outcome.of_kind("step")
        if end.status == "ok" and cell.variant == self.options.reference:
            self.reference.setdefault(cell.preset, [float(event["loss"]) for event in steps])
        self.machine_changed |= machine_of(outcome, self.context.machine) != self.context.machine
        rows = cell_rows(self._context_of(cell), cell, protocol, outcome, end, len(self._attempts(cell)))
        self._check_clock(rows.runs[0])
        self.rows += rows  # in one assignment: after Ctrl-C there are all of the cell's rows or none
        write_tables(self.root, self.context.run_id, self.rows)
        progress.end_cell(end.status, median_step(steps, protocol.warmup_steps), end.error_tail)
        return end.status

    def _context_of(self, cell: Cell) -> RunContext:
        """Return the run's context with the code that this cell ran."""
        revision = read_label(cell.variant).revision
        if revision is not None:
            return replace(self.context, provenance=self.options.trees[revision].provenance)
        if not self.code_changed and code_sha256() != self.plan.code_sha256:
            self.code_changed = True
            print_line(self.console, "The code changed during the run; the rows of later cells say so.")
        before = self.context.provenance
        return replace(self.context, provenance=replace(before, dirty=True)) if self.code_changed else self.context

    def _check_clock(self, run: RunRow) -> None:
        """Print a warning if the time of day went backwards; durations come from a monotonic clock."""
        before = [row.started_at for row in self.rows.runs[-1:]]
        if before and run.started_at < before[0]:
            seconds = (before[0] - run.started_at).total_seconds()
            print_line(
                self.console,
                f"The clock was set back by at least {seconds:.0f} s: times of day in these rows are not in order. "
                "Durations are right.",
            )

    def _measure(
        self, cell: Cell, protocol: Protocol, progress: SuiteProgress, environment: Mapping[str, str]
    ) -> Outcome:
        label = read_label(cell.variant)
        task = {
            "kind": cell.kind,
            "variant": label.variant,
            "protocol": protocol.canonical_json,
            "tokens": str(self.tokens),
            "sample": cell.kind == "bench" and cell.round == 0 and label.text == label.variant,
        }
        tree = self.options.trees[label.revision].folder if label.revision else None

        def follow(event: Event) -> None:
            if event["event"] == "step":
                progress.show_step(int(event["step"]))

        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            return run_worker(task, Path(folder), cell.limit_seconds, follow, environment, tree)
