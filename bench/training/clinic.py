"""The failure clinic: short training runs with one thing wrong each, beside a healthy one.

A faulty program reports its own loss, which is the training loss of the rows. The held-out loss is computed by a sound
engine with the same weights, on the text's own next bytes. The two disagree where the program deceives itself.

Every case is a training run in the tables, with the suite ``clinic``. Its ``resolved_variant`` names the case, as in
``numpy[case=mask]``.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.statistics.training_parts import CLINIC
from bench.training.clinic_cases import Case
from bench.training.clinic_checks import Findings, check
from bench.training.record_training import record_events
from tinygpt.corpora import Corpus
from tinygpt.data import Batch, evaluation_batches
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.errors import DivergedError
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import EvaluationRecord, Event, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.samples import write_sample
from tinygpt.training.trainer import Trainer

PRESET = "tiny"
LEARNING_RATE = 3e-3  # near the best constant rate of the preset
PROMPT = "Once upon a time"  # a faulty text often repeats its last byte, which must be visible
_EVALUATIONS = 20
_CHECKED_ROWS = 2  # of a batch; more cost time and find nothing else


@dataclass(frozen=True)
class Outcome:
    """The end of a case.

    Attributes:
        status: ``ok``, ``diverged`` or ``interrupted``.
        train_loss: mean over the last steps, as the program computes it, nats per byte; None if it diverged.
        held_out_loss: at the end, as a sound engine computes it.
        lowest: lowest held-out loss of the run.
        findings: of the checks at the end; None if the run did not reach it.
        exit_code: 128 plus the signal's number if the user stopped it, else 0.
    """

    case: Case
    status: str = "ok"
    train_loss: float | None = None
    held_out_loss: float | None = None
    lowest: float | None = None
    findings: Findings | None = None
    exit_code: int = 0


def run_clinic(
    cases: Iterable[Case],
    corpus: Corpus,
    steps: int,
    seed: int,
    results_root: Path,
    on_evaluation: Callable[[Case, EvaluationRecord], None] = lambda _case, _event: None,
) -> Iterator[Outcome]:
    """Train every case, record it and check its program; stop after a run that the user stopped.

    Args:
        cases: of the table.
        corpus: the text.
        steps: updates of each run.
        seed: of the starting weights and the batches.
        results_root: the results folder; made if missing.
        on_evaluation: called with a case and its newest evaluation.

    Raises:
        ConfigError: steps or seed is out of range.
        StorageError: the rows cannot be written.
    """
    for case in cases:
        outcome = _run(case, corpus, _plan(case, corpus, steps, seed), results_root, on_evaluation)
        yield outcome
        if outcome.status == "interrupted":
            return


def _plan(case: Case, corpus: Corpus, steps: int, seed: int) -> TrainingPlan:
    rate = LEARNING_RATE * case.rate
    plan = TrainingPlan(
        Path("clinic"),
        steps,
        preset=PRESET,
        corpus=corpus.name,
        engine="numpy",
        seed=seed,
        learning_rate=rate,
        prompt=PROMPT,
    )
    return replace(plan, eval_every=max(1, steps // _EVALUATIONS), eval_batches=16)


def _run(
    case: Case,
    corpus: Corpus,
    plan: TrainingPlan,
    results_root: Path,
    on_evaluation: Callable[[Case, EvaluationRecord], None],
) -> Outcome:
    run, outcome = _CaseRun(case, corpus, plan), Outcome(case)
    command = f"invoke clinic --cases {case.name} --corpus {shlex.quote(corpus.name)}"
    command += f" --steps {plan.steps} --seed {plan.seed}"
    try:
        for event in record_events(run.events(), results_root, CLINIC, command=command):
            if isinstance(event, EvaluationRecord):
                lowest = min(event.held_out_loss, outcome.lowest or event.held_out_loss)
                outcome = replace(
                    outcome, train_loss=event.train_loss, held_out_loss=event.held_out_loss, lowest=lowest
                )
                on_evaluation(case, event)
            elif isinstance(event, StopRecord) and event.reason == "interrupted":
                return replace(outcome, status="interrupted", exit_code=event.exit_code)
    except DivergedError:
        return replace(outcome, status="diverged", train_loss=None)
    return replace(outcome, findings=run.findings())


class _CaseRun:
    """A case's program, and the sound engine that scores it."""

    def __init__(self, case: Case, corpus: Corpus, plan: TrainingPlan) -> None:
        self.case, self.plan = case, plan
        self.corpus = replace(corpus, train=corpus.train[: case.train_bytes])
        model, self.train = plan.preset_entry.model, plan.train_config(plan.preset_entry.train)
        self.engine = case.engine.create(model, self.train, plan.seed)
        self.sound = NumpyEngine.create(model, self.train, plan.seed)
        self.sampler = case.sampler(self.corpus.train_tokens, self.train.batch_size, model.context_length, plan.seed)
        self.held_out = evaluation_batches(
            corpus.held_out_tokens, self.train.batch_size, model.context_length, plan.eval_batches
        )

    def events(self) -> Iterator[Event]:
        plan, clock = self.plan, time.perf_counter()
        options = {"case": self.case.name}
        n_parameters = self.engine.config.n_parameters
        yield StartRecord(plan, self.train, options, self.corpus.sha256, self.corpus.size, n_parameters, 0, None)
        losses: list[float] = []
        step, held_out_loss = 0, None
        with StopRequest() as stop:
            for record in Trainer(self.engine, self.sampler).run(0, plan.steps):
                step = record.step
                losses.append(record.loss)
                yield record
                if step % plan.evaluation_interval == 0 or step == plan.steps:
                    held_out_loss = self._held_out_loss()
                    yield EvaluationRecord(step, _recent(losses), held_out_loss, time.perf_counter() - clock)
                if stop.requested:
                    break
            if step == plan.steps:
                # Generation reads the weights alone and never sees a later byte, whatever the case.
                yield write_sample(self.engine, plan, step, _recent(losses), held_out_loss)
            signal = None if step == plan.steps else stop.signal
            yield StopRecord(
                "finished" if step == plan.steps else "interrupted",
                None if signal is None else signal.name,
                0 if signal is None else 128 + signal.value,
                step,
                plan,
                _recent(losses),
                held_out_loss,
                time.perf_counter() - clock,
            )

    def _held_out_loss(self) -> float:
        """Score the weights with the sound engine on held-out text, nats per byte."""
        self.sound.load_state_dict(self.engine.parameters())
        total = sum(self.sound.loss(batch.inputs, batch.targets) * len(batch.inputs) for batch in self.held_out)
        return total / sum(len(batch.inputs) for batch in self.held_out)

    def findings(self) -> Findings:
        """Check the program with its trained weights, on a batch as it reads it."""
        batch = self.sampler.batch(self.plan.steps)
        return check(self.engine, Batch(batch.inputs[:_CHECKED_ROWS], batch.targets[:_CHECKED_ROWS]))


def _recent(losses: list[float]) -> float:
    return float(np.mean(losses[-20:]))
