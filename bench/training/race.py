"""A race to a held-out loss: engines and peers train one recipe on one text, one after another in separate processes.

The clock stops during evaluations, because the loss over the whole held-out text is work outside training. Starting
weights, batches and rates are the same for all. Every racing variant has a training run in the tables, with the suite
``race``; the time to the target is computed from its rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from bench.records.rows import StepRow
from bench.records.store import write_tables
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS
from tinygpt.training.plan import TrainingPlan

SUITE = "race"
_LIMIT_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Race:
    """The variants of a race, their recipe and their target.

    Attributes:
        plan: preset, recipe, steps and seed; its engine and folder are not used.
        target: held-out loss to reach, nats per byte.
        evaluations: number of evaluations, evenly spread.
    """

    plan: TrainingPlan
    variants: tuple[str, ...]
    target: float
    evaluations: int = 40

    def __post_init__(self) -> None:
        if not self.variants:
            raise ConfigError("the race has no engine", "at least one engine", "invoke race --engines vectorized,torch")
        if not self.target > 0:
            raise ConfigError(f"target is {self.target:g}", "a loss above 0", "invoke race --target 1.9")
        if self.evaluations < 1:
            raise ConfigError(f"evaluations is {self.evaluations}", "1 or more", "invoke race")


@dataclass(frozen=True)
class Finish:
    """The result of one variant.

    Attributes:
        run_id: of its rows.
        seconds_to_target: of training; None if the target was not reached.
        best_loss: lowest held-out loss, None without an evaluation.
        seconds: of training in total.
        reason: the reason of a status that is not ``ok``.
    """

    run_id: str
    variant: str
    status: str
    seconds_to_target: float | None
    best_loss: float | None
    seconds: float
    reason: str | None


@dataclass(frozen=True)
class RaceResult:
    """The results in running order, and the target."""

    finishes: tuple[Finish, ...]
    target: float

    @property
    def exit_code(self) -> int:
        """0 if every variant ran to its end, 130 if the user stopped one, else 1."""
        statuses = {finish.status for finish in self.finishes}
        return 130 if "interrupted" in statuses else int(statuses != {"ok"})


def run_race(
    race: Race,
    corpus: Corpus,
    results_root: Path,
    on_event: Callable[[str, Event], None] = lambda _v, _e: None,
    lock_file: Path | None = None,
) -> RaceResult:
    """Train every variant and write the rows.

    Args:
        race: the variants and their recipe.
        corpus: the text.
        results_root: the results folder; made if missing.
        on_event: called with a variant and its event.
        lock_file: the machine's when None.

    Raises:
        BusyError: another measurement is running.
        ConfigError: a variant does not exist.
        StorageError: the rows cannot be written.
    """
    for variant in race.variants:
        check_variant(variant)
    plan, train = race.plan, race.plan.train_config(PRESETS[race.plan.preset].train)
    protocol = training_protocol(plan.preset, train, corpus.name, corpus.sha256, plan.seed, plan.steps)
    finishes = []
    with measurement_lock(lock_file), tempfile.TemporaryDirectory(prefix="tinygpt-race-") as name:
        machine, provenance, folder = fresh_machine(), read_provenance(), Path(name)
        (folder / "train.bin").write_bytes(corpus.train)
        (folder / "held_out.bin").write_bytes(corpus.held_out)
        schedule = ("warmup_steps", "decay_steps", "decay_to", "dropout", "accumulation")
        task = {
            "kind": "race",
            "protocol": protocol.canonical_json,
            "schedule": {name: getattr(train, name) for name in schedule},
            "tokens": str(folder / "train.bin"),
            "held_out": str(folder / "held_out.bin"),
            "evaluate_every": max(1, plan.steps // race.evaluations),
        }
        for number, variant in enumerate(race.variants):
            cell = Cell(variant, plan.preset, 0, _LIMIT_SECONDS)
            preparation = prepare(variant, folder)
            if preparation.refusal is None:
                (own := folder / str(number)).mkdir()
                task["variant"] = variant
                report = partial(on_event, variant)
                outcome = run_worker(task, own, _LIMIT_SECONDS, report, preparation.environment)
                end = cell_end(cell, protocol, outcome, None)
            else:
                outcome, end = Outcome(), CellEnd("refused", preparation.refusal)
            run = RunContext(new_run_id(sha256_text(machine)), SUITE, provenance, machine)
            process = Process(run, "train", cell.engine, variant, 0, protocol)
            command = race_command(race, protocol.corpus, variant)
            rows = outcome_rows(process, outcome, end, command, _LIMIT_SECONDS)
            write_tables(results_root, run.run_id, rows)
            finishes.append(_finish(race, run.run_id, variant, end, rows.steps))
            if end.status == "interrupted":
                break
    return RaceResult(tuple(finishes), race.target)


def _finish(race: Race, run_id: str, variant: str, end: CellEnd, steps: Sequence[StepRow]) -> Finish:
    losses = [(step.elapsed_seconds, step.held_out_loss) for step in steps if step.held_out_loss is not None]
    return Finish(
        run_id,
        variant,
        end.status,
        next((seconds for seconds, loss in losses if loss <= race.target), None),
        min((loss for _, loss in losses), default=None),
        steps[-1].elapsed_seconds if steps else 0.0,
        end.error_tail and end.error_tail.splitlines()[-1],
    )


def race_command(race: Race, corpus: str, variant: str) -> str:
    """Return the command that runs one variant of the race again."""
    plan = race.plan
    words = (
        f"invoke race --preset {plan.preset} --corpus {corpus} --steps {plan.steps} --seed {plan.seed}",
        plan.options_text(),
        f"--target {race.target:g} --engines '{variant}'",
    )
    return " ".join(filter(None, words))
