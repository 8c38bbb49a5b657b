"""A race to a held-out loss: engines and rivals train one recipe on one text, each in a process of its own, in turn.

The clock runs while a contestant trains, and stands still while it is evaluated: everybody's held-out loss is computed
over the whole held-out text, which is work that no rival asked for. Starting weights, batches and rates are the same
for all. Every contestant is a training run in the tables, with the suite ``race``; what it reached when is computed
from its rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bench.arms.variants import check_variant, engine_name
from bench.measuring.cell_rows import Row, new_run_id, threads_of
from bench.measuring.machine_lock import default_lock_file, measurement_lock
from bench.measuring.peer_preparation import prepare
from bench.measuring.process import Event, Outcome, run_worker
from bench.measuring.verdict import error_tail, failure
from bench.records.machine import fresh_machine
from bench.records.protocol import Protocol, sha256_text, training_protocol
from bench.records.provenance import Provenance, read_provenance
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
            run_id = new_run_id(sha256_text(machine))
            row, steps, finish = _rows(race, variant, protocol, machine, provenance, run_id, outcome, refusal)
            write_tables(results_root, run_id, {"runs": [row], "steps": steps, "samples": []})
            run_ids.append(run_id)
            finishes.append(finish)
            if finish.status == "interrupted":
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
        return Outcome((), None, None, None, False, "", datetime.now(UTC), 0.0), preparation.refusal
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


# ---- rows ------------------------------------------------------------------------------------------------


def _rows(
    race: Race,
    variant: str,
    protocol: Protocol,
    machine: str,
    provenance: Provenance,
    run_id: str,
    outcome: Outcome,
    refusal: str | None,
) -> tuple[Row, list[Row], Finish]:
    cell_id = f"{run_id}/{variant}/{race.plan.preset}/0"
    held_out = {event["step"]: event["held_out_loss"] for event in outcome.of_kind("evaluation")}
    steps: list[Row] = [
        {
            "run_id": run_id,
            "cell_id": cell_id,
            "step": event["step"],
            "is_warmup": False,
            "seconds": event["seconds"],
            "loss": event["loss"],
            "grad_norm": event["grad_norm"],
            "elapsed_seconds": event["elapsed_seconds"],
            "held_out_loss": held_out.get(event["step"]),
        }
        for event in outcome.of_kind("step")
    ]
    status, reason = _status(outcome, refusal, protocol.total_steps)
    finish = _finish(race, variant, status, reason, steps)
    ready = outcome.of_kind("ready")
    resolved = ready[0] if ready else {}
    seen = outcome.of_kind("machine")
    machine = str(seen[0]["machine"]) if seen else machine
    row: Row = {
        "run_id": run_id,
        "cell_id": cell_id,
        "kind": "train",
        "engine": engine_name(variant),
        "variant": variant,
        "preset": race.plan.preset,
        "round": 0,
        "status": status,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "error_tail": reason,
        "command": race_command(race, protocol.corpus, (variant,)),
        "protocol_hash": protocol.hash,
        "protocol": protocol.canonical_json,
        "machine_hash": sha256_text(machine),
        "machine": machine,
        "commit": provenance.commit,
        "dirty": provenance.dirty,
        "started_at": outcome.started_at,
        "suite": SUITE,
        "corpus": protocol.corpus,
        "corpus_sha256": protocol.corpus_sha256,
        "seed": protocol.seed,
        "n_parameters": get_preset(race.plan.preset).model.n_parameters,
        "tokens_per_step": protocol.batch_size * protocol.context_length,
        "warmup_steps": 0,
        "measured_steps": protocol.measured_steps,
        "steps_done": len(steps),
        "limit_seconds": _LIMIT_SECONDS,
        "peak_memory_bytes": max((e["peak_bytes"] for e in outcome.events if e.get("peak_bytes")), default=None),
        "setup_seconds": resolved.get("setup_seconds"),
        "first_loss": steps[0]["loss"] if steps else None,
        "last_loss": steps[-1]["loss"] if steps else None,
        "loss_drift": None,
        "held_out_loss": held_out[max(held_out)] if held_out else None,
        "wall_seconds": outcome.wall_seconds,
        "resolved_variant": resolved.get("resolved_variant"),
        "threads": threads_of(engine_name(variant), resolved.get("threads"), machine) if ready else None,
        "blas_kernel": None,
        "continues": None,
        "expected_seconds": None,
        "expected_loss": None,
    }
    return row, steps, finish


def _status(outcome: Outcome, refusal: str | None, steps: int) -> tuple[str, str | None]:
    if refusal is not None:
        return "refused", refusal
    if outcome.killed_for == "interrupt":
        return "interrupted", "stopped by the user"
    if outcome.killed_for == "limit":
        return "timeout", f"not done after {_LIMIT_SECONDS:g} s"
    if outcome.of_kind("done") and len(outcome.of_kind("step")) == steps:
        return "ok", None
    status, reason = failure(outcome) or ("crashed", "ended before it was done")
    return status, error_tail(outcome, status, reason)


def _finish(race: Race, variant: str, status: str, reason: str | None, steps: list[Row]) -> Finish:
    evaluated = [step for step in steps if step["held_out_loss"] is not None]
    reached = [step["elapsed_seconds"] for step in evaluated if step["held_out_loss"] <= race.target]
    return Finish(
        variant,
        status,
        reached[0] if reached else None,
        min((step["held_out_loss"] for step in evaluated), default=None),
        float(steps[-1]["elapsed_seconds"]) if steps else 0.0,
        reason and reason.splitlines()[-1],
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
