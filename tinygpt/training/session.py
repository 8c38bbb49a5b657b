"""A training session: steps, evaluations, samples and checkpoints in one stream of events.

    StartRecord, then per step: StepRecord [CheckpointRecord] [EvaluationRecord] [SampleRecord], then StopRecord

The first checkpoint is written after the first step, loaded again and compared: a run that cannot be exported
should fail in its first moments, not in its last. Then one follows every few minutes and with every lowest held-out
loss. Batches, learning rates and whatever else is drawn are pure functions of (seed, step), so a resumed run repeats
the one that was never stopped, to the bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint, finish_save, load_checkpoint, save_checkpoint
from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.checkpoints.retention import kept_folder
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.corpora import Corpus, memorization_warning
from tinygpt.data import BatchSampler, Tokenizer, evaluation_batches
from tinygpt.engines import create_engine, parse_variant
from tinygpt.errors import CheckpointError, DivergedError
from tinygpt.generation.decoding import TimedGeneration, continue_prompt
from tinygpt.system.folder_lock import HeldFolder, folder_lock
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import checkpoint_to_resume, require_free_folder, resumed_options, starting_weights
from tinygpt.training.trainer import Trainer

_RECENT = 20  # steps whose mean stands for the training loss


def run_session(
    plan: TrainingPlan,
    corpus: Corpus,
    resume: bool = False,
    stop: StopRequest | None = None,
    writes: bool = True,
) -> Iterator[Event]:
    """Train as planned, yielding what happens.

    Ctrl-C, SIGTERM and a hang-up save and end the stream with a StopRecord after the step under way; a second one
    raises KeyboardInterrupt. A consumer that goes away early has the run saved too.

    Args:
        plan: what to do.
        corpus: the text.
        resume: go on from the checkpoint in ``plan.out``.
        stop: to share the request to stop with a view; made here when omitted.
        writes: whether this process keeps the folder; of several that train one model, one does.

    Raises:
        FolderInUseError: another process trains into the folder.
        ConfigError: the folder already holds something, or the checkpoint belongs to another run.
        CorpusError: the text is too short for the context.
        CheckpointError: there is no whole checkpoint to resume from, or the first one did not read back.
        StorageError: a checkpoint could not be written; the one before is intact.
        DivergedError: the loss stopped being a finite number; the newest checkpoint is intact.
    """
    with stop or StopRequest() as stop, folder_lock(plan.out) if writes else nullcontext() as held:
        if held is not None:
            finish_save(plan.out)
        session = _Session(plan, corpus, resume, stop, held)
        try:
            yield from session.events()
        except GeneratorExit:
            if not stop.abandoned and session.engine.processes.count == 1:  # others would not come to a save
                session.save_if_new()
            raise


class _Session:
    """The moving parts of one run: engine, clocks, and where it stands."""

    def __init__(
        self, plan: TrainingPlan, corpus: Corpus, resume: bool, stop: StopRequest, held: HeldFolder | None
    ) -> None:
        self.plan, self.corpus, self.stop, self.held = plan, corpus, stop, held
        checkpoint = checkpoint_to_resume(plan, corpus) if resume else None
        beginning = None
        if not resume:
            if held is not None:
                require_free_folder(plan)
            beginning = starting_weights(plan)
        source = checkpoint or beginning
        model = plan.preset_entry.model if source is None else source.model
        train = plan.train_config(plan.preset_entry.train if checkpoint is None else checkpoint.train)
        sampler = BatchSampler(corpus.train_tokens, train.rows_per_step, model.context_length, plan.seed)
        self.held_out = evaluation_batches(
            corpus.held_out_tokens, train.batch_size, model.context_length, plan.eval_batches
        )
        name, options = parse_variant(plan.engine)
        if checkpoint is not None and checkpoint.training is not None:
            # The kernels that were calibrated, the threads that were counted: a resumed run repeats its first part's.
            options = resumed_options(plan.engine, checkpoint.training.engine_options)
        weights = None if source is None else source.weights
        self.engine = create_engine(name, model, train, plan.seed, weights=weights, **options)
        self.trainer = Trainer(self.engine, sampler, pauses_after=plan.pauses_after)
        self.step = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.held_out_loss: float | None = None
        self.best: tuple[float, int] | None = None  # held-out loss, step
        self.earlier_seconds = 0.0
        self.stopped_early = False
        self.started_from = None if plan.start_from is None else str(plan.start_from)
        if checkpoint is not None:
            self._restore(checkpoint)
        self.first_step = self.step
        # Steps at which the last evaluation, sample and checkpoint were made.
        self.saved = -1 if checkpoint is None else self.step
        state = None if checkpoint is None else checkpoint.training
        self.evaluated = self.sampled = -1
        if state is not None:  # an older format does not say, and then has both behind it
            self.evaluated = self.step if state.evaluated_step is None else state.evaluated_step
            self.sampled = self.step if state.sampled_step is None else state.sampled_step
        self.started = self.saved_at = time.perf_counter()

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, optimizer = checkpoint.training, checkpoint.optimizer
        assert state is not None and optimizer is not None  # checkpoint_to_resume refuses anything else
        self.engine.load_optimizer_state(optimizer)
        self.step = state.step
        self.recent.extend(state.recent_losses)
        self.held_out_loss = state.held_out_loss
        if state.best_held_out_loss is not None and state.best_step is not None:
            self.best = (state.best_held_out_loss, state.best_step)
        self.earlier_seconds = state.elapsed_seconds
        self.started_from = state.started_from

    # ---- the stream --------------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        plan, corpus = self.plan, self.corpus
        yield StartRecord(
            plan,
            self.engine.train,
            self.engine.options(),
            corpus.sha256,
            corpus.size,
            self.engine.model.n_parameters,
            self.first_step,
            " ".join(filter(None, (corpus.warning, memorization_warning(corpus, self.engine.model)))) or None,
        )
        if not self._asked_to_stop():
            yield from self._between_steps()  # what the part before was stopped before it could do
            self.stopped_early = self._has_stalled()  # it may have been killed between finding that and ending
            if not self.stopped_early:
                yield from self._steps()
        if self.saved != self.step:
            yield self._save()
        yield self._stop_record()

    def _steps(self) -> Iterator[Event]:
        plan = self.plan
        for record in self.trainer.run(self.step, plan.steps - self.step):
            self.step = self.trainer.taken
            self.recent.append(record.loss)
            yield record
            if record.step < self.step:
                continue  # of steps taken together, the weights are the last one's
            if self.saved < 0:
                yield self._save(verify=True)
            if self._asked_to_stop():
                return
            yield from self._between_steps()
            if self._save_is_due():
                yield self._save()
            if self._has_stalled():
                self.stopped_early = True
                return

    def _between_steps(self) -> Iterator[Event]:
        """Evaluation and sample, where they are due and have not been made; after the last step they always are."""
        step, last = self.step, self.step >= self.plan.steps
        if step and self.evaluated != step and (last or step % self.plan.evaluation_interval == 0):
            yield from self._evaluate()
        if self._asked_to_stop():
            return
        if step and self.sampled != step and (last or self.plan.samples_after(step)):
            yield self._sample()

    def _evaluate(self) -> Iterator[Event]:
        """Mean loss over the held-out batches, kept if it is the best; yields nothing if asked to stop half-way."""
        total, rows = 0.0, 0
        for batch in self.held_out:
            if self._asked_to_stop():
                return
            total += self.engine.loss(batch.inputs, batch.targets) * len(batch.inputs)
            rows += len(batch.inputs)
        loss = total / rows
        if not math.isfinite(loss):
            raise DivergedError(
                f"the held-out loss is {loss} after step {self.step}",
                "a finite number",
                "invoke train with a smaller --learning-rate",
            )
        self.held_out_loss, self.evaluated = loss, self.step
        self._outdate_saved()
        yield EvaluationRecord(self.step, self._train_loss(), loss, self._elapsed())
        if self.best is None or loss < self.best[0]:
            self.best = (loss, self.step)
            yield self._save_best()

    def _has_stalled(self) -> bool:
        """Whether the held-out loss has not fallen for as many evaluations as the plan has patience."""
        patience = self.plan.patience
        if patience is None or self.best is None or self.evaluated != self.step:
            return False
        return self.step - self.best[1] >= patience * self.plan.evaluation_interval

    def _sample(self) -> SampleRecord:
        plan = self.plan
        tokens = TimedGeneration(continue_prompt(self.engine, plan.prompt, plan.sampling))
        text = "".join(Tokenizer.decode_stream(tokens))
        self.sampled = self.step
        self._outdate_saved()
        return SampleRecord(
            step=self.step,
            prompt=plan.shown_prompt,
            text=text,
            **asdict(plan.sampling),
            tokens_per_second=tokens.tokens_per_second,
            first_token_seconds=tokens.first_token_seconds,
            train_loss=self._train_loss(),
            held_out_loss=self.held_out_loss,
        )

    def _stop_record(self) -> StopRecord:
        finished = self.step >= self.plan.steps or self.stopped_early
        asked = None if finished else self.stop.signal
        return StopRecord(
            "stopped early" if self.stopped_early else "finished" if finished else "interrupted",
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

    def _outdate_saved(self) -> None:
        """A checkpoint of this very step does not know what was done after it."""
        self.saved = min(self.saved, self.step - 1)

    def _save_is_due(self) -> bool:
        every = self.plan.checkpoint_every
        by_step = every is not None and self.step % every == 0
        by_clock = self.engine.processes.any(time.perf_counter() - self.saved_at >= self.plan.checkpoint_seconds)
        return self.saved != self.step and (by_step or by_clock)

    def _save(self, verify: bool = False) -> CheckpointRecord:
        start = time.perf_counter()
        checkpoint = replace(self._checkpoint(), optimizer=self.engine.optimizer_state())
        if self.held is not None:
            self.held.require()
            save_checkpoint(self.held.folder, checkpoint, keep=self.plan.keep)
            if verify:
                verify_checkpoint(self.held.folder, checkpoint)
        self.saved, self.saved_at = self.step, time.perf_counter()
        return CheckpointRecord(self.step, self.plan.out, self.saved_at - start, verify)

    def _save_best(self) -> CheckpointRecord:
        """The weights alone: they are for reading."""
        start = time.perf_counter()
        checkpoint = self._checkpoint()
        if self.held is not None:
            self.held.require()
            save_checkpoint(kept_folder(self.held.folder, BEST), checkpoint)
        return CheckpointRecord(
            self.step, self.plan.out / KEPT / BEST, time.perf_counter() - start, verified=False, best=True
        )

    def _checkpoint(self) -> Checkpoint:
        """Where the run stands, without AdamW's state; the weights are the engine's own until its next step."""
        return Checkpoint(self.engine.model, self.engine.train, self.engine.parameters(), training=self._state())

    def _state(self) -> TrainingState:
        best_loss, best_step = self.best or (None, None)
        return TrainingState(
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
            started_from=self.started_from,
            evaluated_step=max(0, self.evaluated),
            sampled_step=max(0, self.sampled),
            settings=self.plan.kept_settings,
        )

    def _asked_to_stop(self) -> bool:
        return self.engine.processes.any(self.stop.requested)

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
        same("double-precision weight", expected.optimizer.weights or {}, found.optimizer.weights or {})
