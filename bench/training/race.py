"""A race to a held-out loss: programs train on one text, one after another in separate processes.

A program is a preset, a recipe and a number of steps, trained by an engine or a peer. The clock stops during
evaluations, because the loss over the whole held-out text is work outside training. Programs of one recipe have the
same starting weights, batches and rates. With several seeds, every second one runs the programs in reverse (A B, B A).
All are training runs of one run in the tables, with the suite ``race``; times to a loss are computed from their rows.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.arms.suites import Cell
from bench.arms.variants import check_variant
from bench.measuring.cell_rows import outcome_rows
from bench.measuring.endings import CellEnd, cell_end
from bench.measuring.machine_lock import measurement_lock
from bench.measuring.peer_preparation import prepare
from bench.measuring.process import Event, Outcome, run_worker
from bench.records.machine import fresh_machine
from bench.records.process_rows import Process, RunContext, new_run_id
from bench.records.protocol import sha256_text, training_protocol
from bench.records.provenance import read_provenance
from bench.records.rows import Rows, StepRow
from bench.records.store import write_tables
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError
from tinygpt.training.plan import TrainingPlan

SUITE = "race"
# nanoGPT's recipe for a CPU (its README): the preset, the recipe and the steps.
NANOGPT: Mapping[str, Any] = MappingProxyType({"preset": "nanogpt", "recipe": "nanogpt", "steps": 2000})
_LIMIT_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Program:
    """A variant, the plan that it trains by (whose engine and folder are not used), and the position of its seed."""

    variant: str
    plan: TrainingPlan
    round: int = 0

    @property
    def name(self) -> str:
        """The program in words."""
        return f"{self.variant}, {self.plan.preset}, seed {self.plan.seed}"


def programs(
    plan: TrainingPlan, variants: Iterable[str], nanogpt: Iterable[str] = (), seeds: Iterable[int] = (0,)
) -> tuple[Program, ...]:
    """Return the programs of a race in running order.

    Args:
        plan: preset, recipe and steps of ``variants``; its seed is replaced.
        nanogpt: variants that train nanoGPT's recipe.
        seeds: of the starting weights and the batches.

    Raises:
        ConfigError: a variant does not exist.
    """
    theirs = TrainingPlan(plan.out, corpus=plan.corpus, corpus_file=plan.corpus_file, **NANOGPT)
    entries = [(check_variant(name), own) for names, own in ((variants, plan), (nanogpt, theirs)) for name in names]
    found: list[Program] = []
    for position, seed in enumerate(seeds):
        found += [
            Program(variant, replace(own, seed=seed), position)
            for variant, own in entries[:: -1 if position % 2 else 1]
        ]
    return tuple(found)


@dataclass(frozen=True)
class Race:
    """The programs of a race in running order, and their target.

    Attributes:
        target: held-out loss to reach, nats per byte.
        evaluations: number of evaluations of each program, evenly spread.
    """

    programs: tuple[Program, ...]
    target: float
    evaluations: int = 40

    def __post_init__(self) -> None:
        if not self.programs:
            allowed = "at least one engine and one seed"
            raise ConfigError("the race has no engine or no seed", allowed, "invoke race --engines auto,torch")
        (name, count), *_ = Counter(program.name for program in self.programs).most_common()
        if count > 1:
            raise ConfigError(f"the race has {name}, {count} times", "each program once", "invoke race --engines auto")
        if not self.target > 0:
            raise ConfigError(f"target is {self.target:g}", "a loss above 0", "invoke race --target 1.9")
        if self.evaluations < 1:
            raise ConfigError(f"evaluations is {self.evaluations}", "1 or more", "invoke race")


@dataclass(frozen=True)
class Finish:
    """The result of one program.

    Attributes:
        seconds_to_target: of training; None if the target was not reached.
        best_loss: lowest held-out loss, None without an evaluation.
        seconds: of training in total.
        reason: the reason of a status that is not ``ok``.
    """

    program: Program
    status: str
    seconds_to_target: float | None
    best_loss: float | None
    seconds: float
    reason: str | None


@dataclass(frozen=True)
class RaceResult:
    """The results in running order, the target, and the run of all rows."""

    finishes: tuple[Finish, ...]
    target: float
    run_id: str

    @property
    def exit_code(self) -> int:
        """0 if every program ran to its end, 130 if the user stopped one, else 1."""
        statuses = {finish.status for finish in self.finishes}
        return 130 if "interrupted" in statuses else int(statuses != {"ok"})


def run_race(
    race: Race,
    corpus: Corpus,
    results_root: Path,
    on_event: Callable[[str, Event], None] = lambda _v, _e: None,
    lock_file: Path | None = None,
) -> RaceResult:
    """Train every program and write the rows, after each of them.

    Args:
        race: the programs.
        corpus: the text.
        results_root: the results folder; made if missing.
        on_event: called with a program's name and its event.
        lock_file: the machine's when None.

    Raises:
        BusyError: another measurement is running.
        StorageError: the rows cannot be written.
    """
    with measurement_lock(lock_file):
        machine = fresh_machine()
        run = RunContext(new_run_id(sha256_text(machine)), SUITE, read_provenance(), machine)
        finishes, rows = [], Rows()
        for finish, own in _trained(race, corpus, run, on_event):
            finishes.append(finish)
            rows += own
            write_tables(results_root, run.run_id, rows)
            if finish.status == "interrupted":
                break
    return RaceResult(tuple(finishes), race.target, run.run_id)


def _trained(
    race: Race, corpus: Corpus, run: RunContext, on_event: Callable[[str, Event], None]
) -> Iterator[tuple[Finish, Rows]]:
    """Train program after program."""
    with tempfile.TemporaryDirectory(prefix="tinygpt-race-") as name:
        folder = Path(name)
        (folder / "train.bin").write_bytes(corpus.train)
        (folder / "held_out.bin").write_bytes(corpus.held_out)
        for number, program in enumerate(race.programs):
            plan, variant = program.plan, program.variant
            train = plan.train_config(plan.preset_entry.train)
            protocol = training_protocol(plan.preset, train, corpus.name, corpus.sha256, plan.seed, plan.steps)
            cell = Cell(variant, plan.preset, program.round, _LIMIT_SECONDS)
            preparation = prepare(variant, folder)
            if preparation.refusal is None:
                (own := folder / str(number)).mkdir()
                task = {
                    "kind": "race",
                    "variant": variant,
                    "protocol": protocol.canonical_json,
                    "train": asdict(train),
                    "tokens": str(folder / "train.bin"),
                    "held_out": str(folder / "held_out.bin"),
                    "evaluate_every": max(1, plan.steps // race.evaluations),
                }
                report = partial(on_event, program.name)
                outcome = run_worker(task, own, _LIMIT_SECONDS, report, preparation.environment)
                end = cell_end(cell, protocol, outcome, None)
            else:
                outcome, end = Outcome(), CellEnd("refused", preparation.refusal)
            process = Process(run, "train", cell.engine, variant, program.round, protocol)
            command = program_command(race, program, protocol.corpus)
            rows = outcome_rows(process, outcome, end, command, _LIMIT_SECONDS)
            yield _finish(race, program, end, rows.steps), rows


def _finish(race: Race, program: Program, end: CellEnd, steps: Sequence[StepRow]) -> Finish:
    losses = [(step.elapsed_seconds, step.held_out_loss) for step in steps if step.held_out_loss is not None]
    return Finish(
        program,
        end.status,
        next((seconds for seconds, loss in losses if loss <= race.target), None),
        min((loss for _, loss in losses), default=None),
        steps[-1].elapsed_seconds if steps else 0.0,
        end.error_tail and end.error_tail.splitlines()[-1],
    )


def program_command(race: Race, program: Program, corpus: str) -> str:
    """Return the command that runs one program of the race again."""
    plan = program.plan
    words = (
        f"invoke race --preset {plan.preset} --corpus {corpus} --steps {plan.steps} --seeds {plan.seed}",
        plan.options_text(),
        f"--target {race.target:g} --evaluations {race.evaluations} --engines '{program.variant}'",
    )
    return " ".join(filter(None, words))
