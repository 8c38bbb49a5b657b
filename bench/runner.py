"""A suite from start to end: cells one after another, each in its own process, rows on the disk after each of them.

    lock ─► corpus ─► for every cell: refuse, or run_worker ─► judge ─► rows ─► write_tables

No failure of a cell stops the suite: it becomes a row. Ctrl-C ends it; the cell in flight becomes an ``interrupted``
row, what was measured before stays, and cells that never started have no row.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench.capacity import refusal
from bench.cells import DEFAULT_CORPUS, DEFAULT_SUITE, REFERENCE, Cell, Suite, select_suite
from bench.lock import default_lock_file, measurement_lock
from bench.machine import busy_cores, fresh_machine, openblas_override
from bench.process import Event, Outcome, run_worker
from bench.progress import SuiteProgress, format_duration
from bench.protocol import MEASURED_STEPS, WARMUP_STEPS, Protocol, benchmark_protocol, sha256_text
from bench.provenance import read_provenance
from bench.records import (
    Row,
    RunContext,
    machine_of,
    median_step,
    new_run_id,
    refused_outcome,
    run_row,
    sample_rows,
    step_rows,
)
from bench.store import default_root, write_tables
from bench.verdict import Verdict, judge
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.data import BatchSampler
from tinygpt.errors import ConfigError
from tinygpt.threads import available_cores

BUSY_SHARE = 0.3  # of the cores; above that, a warning

Refuse = Callable[[Cell], str | None]


@dataclass(frozen=True)
class RunSummary:
    """What became of a run.

    Attributes:
        run_id: its name in every table.
        statuses: of the cells that have a row, in running order.
        n_planned: cells that the suite asked for.
        interrupted: somebody stopped it.
        machine_changed: some worker saw another machine than the runner did when it started.
    """

    run_id: str
    statuses: tuple[str, ...]
    n_planned: int
    interrupted: bool
    machine_changed: bool

    @property
    def counts(self) -> dict[str, int]:
        """Cells by status."""
        return dict(Counter(self.statuses))

    @property
    def exit_code(self) -> int:
        """0 if the run can be used, failures of single cells included; 130 if stopped; else 1."""
        if self.interrupted:
            return 130
        return 0 if "ok" in self.statuses and not self.machine_changed else 1


def run_benchmark(
    suite: str = DEFAULT_SUITE,
    presets: Sequence[str] = (),
    engines: Sequence[str] = (),
    corpus: str | Corpus = DEFAULT_CORPUS,
    results_root: Path | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> RunSummary:
    """Measure a suite, or a selection from it; see :func:`run_suite`.

    Raises:
        ConfigError: a suite, preset, engine or option is unknown.
    """
    selected = select_suite(suite, presets, engines)
    return run_suite(selected, results_root or default_root(), corpus, seed, console)


def run_suite(
    suite: Suite,
    results_root: Path,
    corpus: str | Corpus = DEFAULT_CORPUS,
    seed: int = 0,
    console: Console | None = None,
    refuse: Refuse = refusal,
    lock_file: Path | None = None,
) -> RunSummary:
    """Run every cell of a suite and write its rows to ``results_root/local``.

    Args:
        suite: what to run, in its own order.
        results_root: the results folder; made if missing.
        corpus: text that batches are cut from, by name or loaded.
        seed: of starting weights and batches, the same for every cell.
        console: for progress; the standard output when None.
        refuse: why a cell should not be started, or None; by default, when its parameters alone exceed the memory.
        lock_file: the machine's when None.

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
    with measurement_lock(lock_file or default_lock_file()), tempfile.TemporaryDirectory(prefix="tinygpt-") as scratch:
        text = load_corpus(corpus) if isinstance(corpus, str) else corpus
        run = _Run(suite, results_root, text, seed, console or Console(), refuse, Path(scratch))
        return run.run()


class _Run:
    """The state of one run: its rows so far, and the reference's losses by preset."""

    def __init__(
        self, suite: Suite, root: Path, corpus: Corpus, seed: int, console: Console, refuse: Refuse, scratch: Path
    ) -> None:
        machine = fresh_machine()
        self.suite, self.root, self.console, self.refuse, self.scratch = suite, root, console, refuse, scratch
        self.context = RunContext(new_run_id(sha256_text(machine)), suite.name, read_provenance(), machine)
        self.protocols = {
            preset: benchmark_protocol(preset, corpus.name, corpus.sha256, seed, suite.rounds)
            for preset in dict.fromkeys(cell.preset for cell in suite.cells)
        }
        # Workers read the very bytes that were hashed here, and need neither a network nor a cache.
        for protocol in self.protocols.values():
            # A text that is too short is refused here, once, before any cell runs.
            BatchSampler(corpus.train_tokens, protocol.batch_size, protocol.context_length, seed)
        self.tokens = scratch / "train.bin"
        self.tokens.write_bytes(corpus.train)
        self.runs: list[Row] = []
        self.steps: list[Row] = []
        self.samples: list[Row] = []
        self.reference: dict[str, list[float]] = {}
        self.machine_changed = False

    def run(self) -> RunSummary:
        self._announce()
        interrupted = False
        progress = SuiteProgress(self.console, self.suite, WARMUP_STEPS + MEASURED_STEPS)
        with _stop_signals(), progress:
            try:
                for index, cell in enumerate(self.suite.cells):
                    progress.start_cell(index)
                    status = self._run_cell(cell, progress)
                    if status == "interrupted":
                        interrupted = True
                        break
            except KeyboardInterrupt:  # between two cells: nothing was in flight, but perhaps a write
                interrupted = True
                self._write()
        if self.machine_changed:
            self.console.print("The machine changed during the run (cores, memory or libraries): do not publish it.")
        statuses = tuple(str(row["status"]) for row in self.runs)
        return RunSummary(self.context.run_id, statuses, len(self.suite.cells), interrupted, self.machine_changed)

    def _announce(self) -> None:
        n = len(self.suite.cells)
        self.console.print(
            f"Suite {self.suite.name}: {n} cells of {WARMUP_STEPS} + {MEASURED_STEPS} steps, each in a process of its "
            f"own; at most {format_duration(self.suite.longest_seconds)}, usually a fraction of that.",
            highlight=False,
            soft_wrap=True,
        )
        kernel = openblas_override()
        if kernel:
            self.console.print(
                f"OPENBLAS_CORETYPE={kernel} chooses the BLAS kernel; it may not be the best this CPU has. "
                "Run: env -u OPENBLAS_CORETYPE invoke bench",
                highlight=False,
                soft_wrap=True,
            )
        busy = busy_cores()
        if busy is not None and busy > BUSY_SHARE * available_cores():
            self.console.print(
                f"The machine is busy: {busy:.1f} of {available_cores()} cores, by the last minute's load. Times will "
                "be longer and spread wider than on an idle one.",
                highlight=False,
                soft_wrap=True,
            )

    def _run_cell(self, cell: Cell, progress: SuiteProgress) -> str:
        """One cell from start to rows on the disk; returns its status."""
        protocol = self.protocols[cell.preset]
        reason = self.refuse(cell)
        if reason is None:
            outcome = self._measure(cell, protocol, progress)
            verdict = judge(cell, protocol, outcome, self.reference.get(cell.preset), self.suite.name)
        else:
            outcome, verdict = refused_outcome(), Verdict("refused", reason, None)
        steps = outcome.of_kind("step")
        if verdict.status == "ok" and cell.variant == REFERENCE:
            self.reference.setdefault(cell.preset, [float(event["loss"]) for event in steps])
        self.machine_changed |= machine_of(outcome, self.context.machine) != self.context.machine
        self.runs.append(run_row(self.context, cell, protocol, outcome, verdict))
        self.steps += step_rows(self.context, cell, protocol, steps)
        self.samples += sample_rows(self.context, cell, protocol.corpus, outcome.of_kind("sample"))
        self._write()
        progress.end_cell(verdict.status, median_step(steps, protocol.warmup_steps), verdict.error_tail)
        return verdict.status

    def _write(self) -> None:
        tables = {"runs": self.runs, "steps": self.steps, "samples": self.samples}
        write_tables(self.root, self.context.run_id, tables)

    def _measure(self, cell: Cell, protocol: Protocol, progress: SuiteProgress) -> Outcome:
        task = {
            "variant": cell.variant,
            "protocol": protocol.canonical_json,
            "tokens": str(self.tokens),
            "sample": cell.round == 0,
        }
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            return run_worker(task, Path(folder), cell.limit_seconds, partial(_follow, progress))


def _follow(progress: SuiteProgress, event: Event) -> None:
    if event["event"] == "step":
        progress.show_step(int(event["step"]))


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does; only the main thread may set handlers."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # A hang-up that the caller ignores (nohup) stays ignored.
    names = [
        name
        for name in ("SIGTERM", "SIGHUP")
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) not in (signal.SIG_IGN, None)
    ]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
