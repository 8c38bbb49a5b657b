"""A suite from start to end: cells one after another, each in its own process, rows on the disk after each of them.

    lock ─► corpus ─► plan ─► for every cell: refuse, or run_worker ─► judge ─► rows ─► write_tables

No failure of a cell stops the suite: it becomes a row. Ctrl-C ends it; the cell in flight becomes an ``interrupted``
row, what was measured before stays, and cells that never started have no row. Whatever ended a run, it can be taken
up again: the plan says which cells are missing, and they are measured under the same conditions or not at all.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.arms.labels import read_label
from bench.arms.registry import OURS
from bench.arms.suites import DEFAULT_CORPUS, Cell, Suite
from bench.measuring.announce import announce
from bench.measuring.cell_rows import cell_rows, machine_of, median_step, refused_outcome
from bench.measuring.interrupts import stop_signals
from bench.measuring.machine_lock import default_lock_file, measurement_lock
from bench.measuring.peer_preparation import prepare
from bench.measuring.process import Event, Outcome, run_worker
from bench.measuring.progress import SuiteProgress
from bench.measuring.run_plan import RunOptions, RunPlan, drop_plan, read_plan, unfinished, write_plan
from bench.measuring.verdict import Verdict, judge
from bench.records.machine import fresh_machine
from bench.records.process_rows import RunContext, new_run_id
from bench.records.protocol import Protocol, benchmark_protocol, generation_protocol, sha256_text
from bench.records.provenance import code_sha256, read_provenance
from bench.records.rows import Rows, RunRow, Status
from bench.records.store import read_run, read_table, remove_leftovers, stored_runs, write_tables
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.data import BatchSampler
from tinygpt.errors import ConfigError
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console


@dataclass(frozen=True)
class RunSummary:
    """What became of a run.

    Attributes:
        run_id: its name in every table.
        statuses: of the cells that have a row, in running order; the last one of a cell that was tried again.
        n_planned: cells that the suite asked for.
        interrupted: somebody stopped it.
        machine_changed: some worker saw another machine than the runner did when it started.
        code_changed: some worker may have run other code than the first one.
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
        """0 if the run can be used, failures of single cells included; 130 if stopped; else 1."""
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
        suite: what to run, in its own order.
        results_root: the results folder; made if missing.
        corpus: text that batches are cut from, by name or loaded.
        seed: of starting weights and batches, the same for every cell.
        console: for progress; the standard output when None.
        options: what is unusual.

    Returns:
        a summary with an exit code.

    Raises:
        BusyError: another measurement is going on.
        ConfigError: the suite has no cell, or the seed is negative.
        CorpusError: the text cannot be had.
        StorageError: a row cannot be written.
    """
    if not suite.cells:
        raise ConfigError(f"suite {suite.name!r} has no cell", "at least one preset and engine", "invoke bench")
    if seed < 0:
        raise ConfigError(f"seed is {seed}", "0 or more", "invoke bench")
    options, console = options or RunOptions(), console or make_console()
    with measurement_lock(options.lock_file or default_lock_file()):
        text = load_corpus(corpus) if isinstance(corpus, str) else corpus
        plan = _plan(suite, text, seed)
        for run_id in unfinished(results_root)[-1:]:
            hint = f"Run {run_id} is unfinished. To go on with it: invoke bench --resume {run_id}"
            console.print(as_called(hint), style="dim")
        return _run(plan, Rows(), text, results_root, console, options)


def resume_run(
    run_id: str,
    results_root: Path,
    corpus: Corpus | None = None,
    console: Console | None = None,
    options: RunOptions | None = None,
) -> RunSummary:
    """Go on with a run that stopped before its end: measure the cells that have no row, or only one by Ctrl-C.

    Args:
        run_id: its name, or ``last``.
        results_root: the results folder that it writes to.
        corpus: the run's text, if it cannot be loaded by its name.
        console: for progress; the standard output when None.
        options: what is unusual.

    Raises:
        BusyError: another measurement is going on.
        ResultsError: there is no such unfinished run, or machine, code or text are not what they were.
        StorageError: a row cannot be written.
    """
    options, console = options or RunOptions(), console or make_console()
    plan = read_plan(results_root, run_id)
    with measurement_lock(options.lock_file or default_lock_file()):
        remove_leftovers(results_root, plan.run_id)
        text = corpus or load_corpus(plan.corpus)
        plan.require_unchanged(replace(_plan(plan.suite, text, plan.seed), run_id=plan.run_id))
        return _run(plan, read_run(results_root, plan.run_id), text, results_root, console, options)


def _plan(suite: Suite, text: Corpus, seed: int) -> RunPlan:
    machine = fresh_machine()
    return RunPlan(
        new_run_id(sha256_text(machine)),
        suite,
        text.name,
        text.sha256,
        seed,
        machine,
        read_provenance(),
        code_sha256(),
    )


def _run(
    plan: RunPlan,
    rows: Rows,
    text: Corpus,
    root: Path,
    console: Console,
    options: RunOptions,
) -> RunSummary:
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
        plan_protocol = generation_protocol if plan.suite.generates else benchmark_protocol
        self.protocols = {
            preset: plan_protocol(preset, text.name, text.sha256, plan.seed, plan.suite.rounds)
            for preset in dict.fromkeys(cell.preset for cell in plan.suite.cells)
        }
        for protocol in self.protocols.values():
            # A text that is too short is refused here, once, before any cell runs.
            BatchSampler(text.train_tokens, protocol.batch_size, protocol.context_length, plan.seed)
        # Workers read the very bytes that were hashed here, and need neither a network nor a cache.
        self.tokens = scratch / "train.bin"
        self.tokens.write_bytes(text.train)
        self.rows = rows
        self.reference = self._reference_losses()
        self.machine_changed = any(row.machine != plan.machine for row in rows.runs)
        self.code_changed = False

    def run(self) -> RunSummary:
        cells = [cell for cell in self.plan.suite.cells if not self._is_done(cell)]
        n_done = len(self.plan.suite.cells) - len(cells)
        announce(self.console, self.plan.suite, cells, self.context.run_id if self.rows.runs else None)
        resumable = not self.options.trees  # another commit's code is unpacked for one run only
        if resumable:
            write_plan(self.root, self.plan)
        interrupted = False
        n_steps = max(protocol.total_steps for protocol in self.protocols.values())
        progress = SuiteProgress(self.console, cells, n_steps, n_done, self._earlier_seconds())
        with stop_signals(), progress:
            try:
                for index, cell in enumerate(cells):
                    progress.start_cell(index)
                    status = self._run_cell(cell, progress)
                    if status == "interrupted":
                        interrupted = True
                        break
            except KeyboardInterrupt:  # between two cells: nothing was in flight, but perhaps a write
                interrupted = True
                write_tables(self.root, self.context.run_id, self.rows)
        if interrupted and resumable:
            self.console.print(as_called(f"To go on: invoke bench --resume {self.context.run_id}"), highlight=False)
        elif not interrupted:
            drop_plan(self.root, self.context.run_id)
        for changed, what in ((self.machine_changed, "machine"), (self.code_changed, "code")):
            if changed:
                self.console.print(f"The {what} changed during the run: do not publish it.", highlight=False)
        last = {(row.variant, row.preset, row.round): row.status for row in self.rows.runs}
        return RunSummary(
            self.context.run_id,
            tuple(last.values()),
            len(self.plan.suite.cells),
            interrupted,
            self.machine_changed,
            self.code_changed,
        )

    # ---- what earlier runs, and an earlier part of this one, left ------------------------------------------

    def _earlier_seconds(self) -> dict[tuple[str, str], float]:
        """How long each arm's newest process took on this machine, to tell the time left by."""
        runs = read_table("runs", self.root, problems=[])  # a damaged file is somebody else's to report
        mine = stored_runs(runs[(runs["machine"] == self.plan.machine) & runs["status"].isin(["ok", "timeout"])])
        return {
            (run.variant, run.preset): min(run.wall_seconds, run.limit_seconds)
            for run in sorted(mine, key=lambda run: run.started_at)
            if run.limit_seconds is not None
        }

    def _attempts(self, cell: Cell) -> list[RunRow]:
        key = (cell.variant, cell.preset, cell.round)
        return [row for row in self.rows.runs if (row.variant, row.preset, row.round) == key]

    def _is_done(self, cell: Cell) -> bool:
        return any(row.status != "interrupted" for row in self._attempts(cell))

    def _reference_losses(self) -> dict[str, list[float]]:
        """Losses by step of the reference's first good round, by preset."""
        found: dict[str, list[float]] = {}
        for row in self.rows.runs:
            if row.status == "ok" and row.variant == self.options.reference and row.preset not in found:
                found[row.preset] = [step.loss for step in self.rows.steps if step.cell_id == row.cell_id]
        return found

    # ---- one cell ------------------------------------------------------------------------------------------

    def _run_cell(self, cell: Cell, progress: SuiteProgress) -> Status:
        """One cell from start to rows on the disk; returns its status."""
        protocol = self.protocols[cell.preset]
        made = replace(cell, variant=read_label(cell.variant).variant)
        ready = prepare(made.variant, self.scratch)
        asked = replace(made, variant=OURS) if cell.kind == "kernels" else made
        # The roofline keeps no gradients and no moments: it fits wherever an engine does.
        reason = ready.refusal or (self.options.refuse(asked) if cell.kind != "roofline" else None)
        if reason is None:
            outcome = self._measure(cell, protocol, progress, ready.environment)
            verdict = judge(cell, protocol, outcome, self.reference.get(cell.preset))
        else:
            outcome, verdict = refused_outcome(), Verdict("refused", reason, None)
        steps = outcome.of_kind("step")
        if verdict.status == "ok" and cell.variant == self.options.reference:
            self.reference.setdefault(cell.preset, [float(event["loss"]) for event in steps])
        self.machine_changed |= machine_of(outcome, self.context.machine) != self.context.machine
        rows = cell_rows(self._context_of(cell), cell, protocol, outcome, verdict, len(self._attempts(cell)))
        self._check_clock(rows.runs[0])
        self.rows += rows  # in one assignment: Ctrl-C leaves all of the cell's rows or none of them
        write_tables(self.root, self.context.run_id, self.rows)
        progress.end_cell(verdict.status, median_step(steps, protocol.warmup_steps), verdict.error_tail)
        return verdict.status

    def _context_of(self, cell: Cell) -> RunContext:
        """The run's context with the code that this cell ran."""
        revision = read_label(cell.variant).revision
        if revision is not None:
            return replace(self.context, provenance=self.options.trees[revision].provenance)
        if not self.code_changed and code_sha256() != self.plan.code_sha256:
            self.code_changed = True
            self.console.print("The code changed during the run; rows from here on say so.", highlight=False)
        before = self.context.provenance
        return replace(self.context, provenance=replace(before, dirty=True)) if self.code_changed else self.context

    def _check_clock(self, run: RunRow) -> None:
        """Say so if the time of day went backwards. Durations come from another clock and stay right."""
        before = [row.started_at for row in self.rows.runs[-1:]]
        if before and run.started_at < before[0]:
            seconds = (before[0] - run.started_at).total_seconds()
            self.console.print(
                f"The clock was set back by at least {seconds:.0f} s: times of day in these rows are not in order. "
                "Durations are right.",
                highlight=False,
                soft_wrap=True,
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
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            follow = partial(_follow, progress)
            return run_worker(task, Path(folder), cell.limit_seconds, follow, environment, tree)


def _follow(progress: SuiteProgress, event: Event) -> None:
    if event["event"] == "step":
        progress.show_step(int(event["step"]))
