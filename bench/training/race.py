"""A race to a held-out loss: engines and rivals train one recipe on one text, each in a process of its own, in turn.

The clock runs while a contestant trains, and stands still while it is evaluated: everybody's held-out loss is computed
over the whole held-out text, which is work that no rival asked for. Starting weights, batches and rates are the same
for all. Every contestant is a training run in the tables, with the suite ``race``; what it reached when is computed
from its rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.arms.variants import check_variant, engine_name
from bench.measuring.cell_rows import outcome_rows, refused_outcome
from bench.measuring.machine_lock import default_lock_file, measurement_lock
from bench.measuring.peer_preparation import prepare
from bench.measuring.process import Event, Outcome, run_worker
from bench.measuring.verdict import Verdict, error_tail, failure
from bench.records.machine import fresh_machine
from bench.records.process_rows import Process, RunContext, new_run_id
from bench.records.protocol import Protocol, sha256_text, training_protocol
from bench.records.provenance import read_provenance
from bench.records.rows import StepRow
from bench.records.store import write_tables
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError
from tinygpt.presets import get_preset
from tinygpt.training.plan import TrainingPlan

SUITE = "race"
DEFAULT_CONTESTANTS = ("vectorized", "torch", "torch-mkl-avx512")
# nanoGPT's recipe for a CPU ends near 1.88 by its README, an average over some random batches; over the whole held-out
# tenth the same recipe ends a little higher, by a hair that hangs on the seed.
NANOGPT_TARGET = 1.9
_LIMIT_SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Race:
    """What is trained, and to which loss.

    Attributes:
        plan: preset, recipe, steps and seed; its engine and folder are not used.
        contestants: variants and rivals.
        target: held-out loss to reach, nats per byte.
        evaluations: on the way, evenly spread.
    """

    plan: TrainingPlan
    contestants: tuple[str, ...] = DEFAULT_CONTESTANTS
    target: float = NANOGPT_TARGET
    evaluations: int = 40

    def __post_init__(self) -> None:
        if not self.contestants:
            raise ConfigError(
                "nobody takes part in the race", "at least one engine", "invoke race --engines vectorized,torch"
            )
        if not self.target > 0:
            raise ConfigError(f"target is {self.target:g}", "a loss above 0", "invoke race --target 1.9")
        if self.evaluations < 1:
            raise ConfigError(f"evaluations is {self.evaluations}", "1 or more", "invoke race")

    @property
    def evaluate_every(self) -> int:
        """Steps between evaluations."""
        return max(1, self.plan.steps // self.evaluations)


@dataclass(frozen=True)
class Finish:
    """How a contestant did.

    Attributes:
        variant: the contestant.
        status: ``ok``, or how it failed.
        seconds_to_target: of training; None if it never got there.
        best_loss: lowest held-out loss, None without an evaluation.
        seconds: of training in all.
        reason: why it is not ok.
    """

    variant: str
    status: str
    seconds_to_target: float | None
    best_loss: float | None
    seconds: float
    reason: str | None


@dataclass(frozen=True)
class RaceResult:
    """Who got there when.

    Attributes:
        run_ids: of the rows, one per contestant.
        finishes: in the order in which they ran.
        target: the loss to reach.
    """

    run_ids: tuple[str, ...]
    finishes: tuple[Finish, ...]
    target: float

    @property
    def exit_code(self) -> int:
        """0 if every contestant ran to its end, 130 if one was stopped by hand, else 1."""
        statuses = {finish.status for finish in self.finishes}
        return 130 if "interrupted" in statuses else int(statuses != {"ok"})


def run_race(
    race: Race,
    corpus: Corpus,
    results_root: Path,
    on_event: Callable[[str, Event], None] = lambda _v, _e: None,
    lock_file: Path | None = None,
) -> RaceResult:
    """Let every contestant train, and write the rows.

    Args:
        race: what and who.
        corpus: the text.
        results_root: the results folder; made if missing.
        on_event: told of every contestant's events as they come.
        lock_file: of the one measurement that goes on at a time; the machine's if None.

    Raises:
        BusyError: another measurement is going on.
        ConfigError: a contestant does not exist.
        StorageError: the rows cannot be written.
    """
    for variant in race.contestants:
        check_variant(variant)
    preset = get_preset(race.plan.preset)
    train = race.plan.train_config(preset.train)
    protocol = training_protocol(race.plan.preset, train, corpus.name, corpus.sha256, race.plan.seed, race.plan.steps)
    run_ids, finishes = [], []
    with (
        measurement_lock(lock_file or default_lock_file()),
        tempfile.TemporaryDirectory(prefix="tinygpt-race-") as name,
    ):
        machine, provenance = fresh_machine(), read_provenance()
        folder = Path(name)
        (folder / "train.bin").write_bytes(corpus.train)
        (folder / "held_out.bin").write_bytes(corpus.held_out)
        for number, variant in enumerate(race.contestants):
            own = folder / str(number)
            own.mkdir()
            outcome, refusal = _contestant(race, variant, protocol, train, folder, own, on_event)
            run = RunContext(new_run_id(sha256_text(machine)), SUITE, provenance, machine)
            process = Process(run, "train", engine_name(variant), variant, 0, protocol)
            verdict = _verdict(outcome, refusal, protocol.total_steps)
            command = race_command(race, protocol.corpus, (variant,))
            rows = outcome_rows(process, outcome, verdict, command, _LIMIT_SECONDS)
            write_tables(results_root, run.run_id, rows)
            run_ids.append(run.run_id)
            finishes.append(_finish(race, variant, verdict, rows.steps))
            if verdict.status == "interrupted":
                break
    return RaceResult(tuple(run_ids), tuple(finishes), race.target)


def _contestant(
    race: Race,
    variant: str,
    protocol: Protocol,
    train: Any,
    folder: Path,
    own: Path,
    on_event: Callable[[str, Event], None],
) -> tuple[Outcome, str | None]:
    preparation = prepare(variant, folder)
    if preparation.refusal is not None:
        return refused_outcome(), preparation.refusal
    task = {
        "kind": "race",
        "variant": variant,
        "protocol": protocol.canonical_json,
        "schedule": {
            name: getattr(train, name)
            for name in ("warmup_steps", "decay_steps", "decay_to", "dropout", "accumulation")
        },
        "tokens": str(folder / "train.bin"),
        "held_out": str(folder / "held_out.bin"),
        "evaluate_every": race.evaluate_every,
        "sample": False,
    }
    return run_worker(task, own, _LIMIT_SECONDS, lambda event: on_event(variant, event), preparation.environment), None


def _verdict(outcome: Outcome, refusal: str | None, steps: int) -> Verdict:
    if refusal is not None:
        return Verdict("refused", refusal, None)
    if outcome.killed_for == "interrupt":
        return Verdict("interrupted", "stopped by the user", None)
    if outcome.killed_for == "limit":
        return Verdict("timeout", f"not done after {_LIMIT_SECONDS:g} s", None)
    if outcome.of_kind("done") and len(outcome.of_kind("step")) == steps:
        return Verdict("ok", None, None)
    status, reason = failure(outcome) or ("crashed", "ended before it was done")
    return Verdict(status, error_tail(outcome, status, reason), None)


def _finish(race: Race, variant: str, verdict: Verdict, steps: Sequence[StepRow]) -> Finish:
    losses = [(step.elapsed_seconds, step.held_out_loss) for step in steps if step.held_out_loss is not None]
    return Finish(
        variant,
        verdict.status,
        next((seconds for seconds, loss in losses if loss <= race.target), None),
        min((loss for _, loss in losses), default=None),
        steps[-1].elapsed_seconds if steps else 0.0,
        verdict.error_tail and verdict.error_tail.splitlines()[-1],
    )


def race_command(race: Race, corpus: str, contestants: Iterable[str]) -> str:
    """The command that runs it again."""
    plan = race.plan
    words = [
        "invoke race",
        f"--preset {plan.preset}",
        f"--corpus {corpus}",
        f"--steps {plan.steps}",
        f"--seed {plan.seed}",
    ]
    words += [plan.options_text(), f"--target {race.target:g}", f"--engines '{','.join(contestants)}'"]
    return " ".join(filter(None, words))


def seconds_to_target(steps: pd.DataFrame, target: float) -> float | None:
    """Seconds of training until a run's held-out loss was first at most the target; None if it never was."""
    reached = steps[steps["held_out_loss"] <= target].sort_values("step")
    return float(reached["elapsed_seconds"].iloc[0]) if len(reached) else None
