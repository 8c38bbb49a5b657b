"""A training session: steps, evaluations, samples and checkpoints in one stream of events.

    StartRecord, then per step: StepRecord [CheckpointRecord] [EvaluationRecord] [SampleRecord], then StopRecord

The first checkpoint is written after the first step, loaded again and compared: a run that cannot be exported
should fail in its first moments, not in its last. Batches are a pure function of (seed, step), so a resumed run
repeats the losses of one that was never stopped (the python engine's 64-bit floats are rounded when it saves).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tinygpt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tinygpt.corpora import Corpus, memorization_warning
from tinygpt.data import BatchSampler, evaluation_batches
from tinygpt.engines import create_engine, format_variant, parse_variant
from tinygpt.errors import CheckpointError
from tinygpt.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.generate import stream_text, timed_generation
from tinygpt.plan import TrainingPlan
from tinygpt.resume import checkpoint_to_resume, require_free_folder
from tinygpt.stopping import StopRequest
from tinygpt.trainer import Trainer
from tinygpt.training_state import TrainingState

_RECENT = 20  # steps whose mean stands for the training loss


def run_session(
    plan: TrainingPlan, corpus: Corpus, resume: bool = False, stop: StopRequest | None = None
) -> Iterator[Event]:
    """Train as planned, yielding what happens.

    Ctrl-C, SIGTERM and a hang-up save and end the stream with a StopRecord after the step under way; a second one
    raises KeyboardInterrupt. A consumer that goes away early has the run saved too.

    Args:
        plan: what to do.
        corpus: the text.
        resume: go on from the checkpoint in ``plan.out``.
        stop: to share the request to stop with a view; made here when omitted.

    Raises:
        ConfigError: the folder already holds something, or the checkpoint belongs to another run.
        CorpusError: the text is too short for the context.
        CheckpointError: there is no whole checkpoint to resume from, or the first one did not read back.
        StorageError: a checkpoint could not be written; the one before is intact.
        DivergedError: the loss stopped being a finite number; the newest checkpoint is intact.
    """
    with stop or StopRequest() as stop:
        session = _Session(plan, corpus, resume, stop)
        try:
            yield from session.events()
        except GeneratorExit:
            if not stop.abandoned:
                session.save_if_new()
            raise


class _Session:
    """The moving parts of one run: engine, clocks, and where it stands."""

    def __init__(self, plan: TrainingPlan, corpus: Corpus, resume: bool, stop: StopRequest) -> None:
        self.plan, self.corpus, self.stop = plan, corpus, stop
        model = plan.preset_entry.model
        checkpoint = checkpoint_to_resume(plan, corpus) if resume else None
        if not resume:
            require_free_folder(plan)
        train = plan.train_config(plan.preset_entry.train if checkpoint is None else checkpoint.train)
        sampler = BatchSampler(corpus.train_tokens, train.batch_size, model.context_length, plan.seed)
        self.held_out = evaluation_batches(
            corpus.held_out_tokens, train.batch_size, model.context_length, plan.eval_batches
        )
        variant = plan.engine
        if checkpoint is not None and checkpoint.training is not None:
            # The kernels that were calibrated, the threads that were counted: a resumed run repeats its first part's.
            variant = format_variant(parse_variant(plan.engine)[0], checkpoint.training.engine_options)
        self.engine = create_engine(variant, model, train, plan.seed)
        self.trainer = Trainer(self.engine, sampler)
        self.step = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.held_out_loss: float | None = None
        self.best: tuple[float, int] | None = None
        self.earlier_seconds = 0.0
        if checkpoint is not None:
            self._restore(checkpoint)
        self.first_step = self.step
        # Steps at which the last evaluation, sample and checkpoint were made.
        self.evaluated = self.sampled = self.saved = -1 if checkpoint is None else self.step
        self.started = self.saved_at = time.perf_counter()

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, optimizer = checkpoint.training, checkpoint.optimizer
        assert state is not None and optimizer is not None  # checkpoint_to_resume refuses anything else
        self.engine.load_state_dict(checkpoint.weights)
        self.engine.load_optimizer_state(optimizer)
        self.step = state.step
        self.recent.extend(state.recent_losses)
        self.held_out_loss = state.held_out_loss
        if state.best_held_out_loss is not None and state.best_step is not None:
            self.best = (state.best_held_out_loss, state.best_step)
        self.earlier_seconds = state.elapsed_seconds

    # ---- the stream --------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        plan = self.plan
        yield StartRecord(
            plan,
            self.engine.train,
            self.engine.options(),
            self.corpus.sha256,
            self.corpus.size,
            self.engine.model.n_parameters,
            self.first_step,
            memorization_warning(self.corpus, self.engine.model),
        )
        if not self.stop.requested:
            yield from self._steps()
        if self.step >= plan.steps and self.first_step < plan.steps and not self.stop.requested:
            if self.evaluated != self.step:
                yield from self._evaluate()
            if self.sampled != self.step and not self.stop.requested:
                yield self._sample()
        if self.saved != self.step:
            yield self._save()
        yield self._stop_record()

    def _steps(self) -> Iterator[Event]:
        plan = self.plan
        for record in self.trainer.run(self.step, plan.steps - self.step):
            self.step = record.step
            self.recent.append(record.loss)
            yield record
            if self.saved < 0:
                yield self._save(verify=True)
            if self.stop.requested:
                return
            if self.step % plan.evaluation_interval == 0:
                yield from self._evaluate()
            if self.step % plan.sample_interval == 0 and not self.stop.requested:
                yield self._sample()
            if self._save_is_due():
                yield self._save()

    def _evaluate(self) -> Iterator[EvaluationRecord]:
        """Mean loss over the held-out batches; yields nothing if asked to stop half-way."""
        total, rows = 0.0, 0
        for batch in self.held_out:
            if self.stop.requested:
                return
            total += self.engine.loss(batch.inputs, batch.targets) * len(batch.inputs)
            rows += len(batch.inputs)
        loss = total / rows
        self.held_out_loss, self.evaluated = loss, self.step
        if self.best is None or loss < self.best[0]:
            self.best = (loss, self.step)
        yield EvaluationRecord(self.step, self._train_loss(), loss, self._elapsed())

    def _sample(self) -> SampleRecord:
        plan, settings = self.plan, self.plan.sampling
        tokens = timed_generation(
            self.engine, plan.prompt, settings.n_tokens, settings.temperature, settings.top_k, settings.seed
        )
        text = "".join(stream_text(tokens))
        self.sampled = self.step
        return SampleRecord(
            self.step,
            plan.prompt,
            text,
            settings.n_tokens,
            settings.temperature,
            settings.top_k,
            settings.seed,
            tokens.tokens_per_second,
            tokens.first_token_seconds,
            self._train_loss(),
            self.held_out_loss,
        )

    def _stop_record(self) -> StopRecord:
        finished = self.step >= self.plan.steps
        asked = None if finished else self.stop.signal
        return StopRecord(
            "finished" if finished else "interrupted",
            None if asked is None else asked.name,
            0 if asked is None else 128 + asked.value,
            self.step,
            self.plan,
            self._train_loss() if self.recent else None,
            self.held_out_loss,
            self._elapsed(),
        )

    # ---- saving ------------------------------------------------------------------------------------------

    def save_if_new(self) -> None:
        """Save unless the newest checkpoint is of this very step."""
        if self.saved != self.step:
            self._save()

    def _save_is_due(self) -> bool:
        every = self.plan.checkpoint_every
        by_step = every is not None and self.step % every == 0
        by_clock = time.perf_counter() - self.saved_at >= self.plan.checkpoint_seconds
        return self.saved != self.step and (by_step or by_clock)

    def _save(self, verify: bool = False) -> CheckpointRecord:
        start = time.perf_counter()
        best_loss, best_step = self.best or (None, None)
        state = TrainingState(
            step=self.step,
            planned_steps=self.plan.steps,
            seed=self.plan.seed,
            preset=self.plan.preset,
            corpus=self.plan.corpus,
            corpus_sha256=self.corpus.sha256,
            engine=self.plan.engine,
            engine_options=self.engine.options(),
            recent_losses=tuple(self.recent),
            held_out_loss=self.held_out_loss,
            best_held_out_loss=best_loss,
            best_step=best_step,
            elapsed_seconds=self._elapsed(),
        )
        weights, optimizer = self.engine.parameters(), self.engine.optimizer_state()
        save_checkpoint(self.plan.out, self.engine.model, self.engine.train, weights, optimizer, state)
        if verify:
            expected = Checkpoint(self.engine.model, self.engine.train, weights, optimizer, state)
            verify_checkpoint(self.plan.out, expected)
        self.saved, self.saved_at = self.step, time.perf_counter()
        return CheckpointRecord(self.step, self.plan.out, self.saved_at - start, verify)

    def _train_loss(self) -> float:
        return float(np.mean(self.recent))

    def _elapsed(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self.started


def verify_checkpoint(directory: Path, expected: Checkpoint) -> None:
    """Load a checkpoint again and compare it, number by number, with what should be in it.

    Raises:
        CheckpointError: naming the first thing that differs.
    """
    found = load_checkpoint(directory)

    def same(what: str, left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> None:
        for name, array in left.items():
            if not np.array_equal(array, right[name]):
                raise CheckpointError(f"{directory} read back with another {what} {name!r}", "what was saved")

    for field in ("model", "train", "training"):
        if getattr(found, field) != getattr(expected, field):
            raise CheckpointError(f"{directory} read back with another {field}", "what was saved")
    same("weight", expected.weights, found.weights)
    if expected.optimizer is not None:
        if found.optimizer is None or found.optimizer.step != expected.optimizer.step:
            raise CheckpointError(f"{directory} read back with another optimiser step", "what was saved")
        same("first moment", expected.optimizer.first_moment, found.optimizer.first_moment)
        same("second moment", expected.optimizer.second_moment, found.optimizer.second_moment)
