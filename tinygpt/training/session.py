"""A training session: steps, evaluations, samples and checkpoints in one stream of events.

    StartRecord
    of a run that starts from weights: EvaluationRecord CheckpointRecord SampleRecord
    per step: StepRecord [CheckpointRecord] [EvaluationRecord] [SampleRecord] [PlanRecord]
    StopRecord

The first checkpoint is written after the first step, loaded again and compared: a run that cannot be saved should fail
at its start, not at its end. More follow every few minutes and at every lowest held-out loss. Batches, learning rates
and all random draws are pure functions of (seed, step), so a resumed run equals an uninterrupted one to the bit. A run
that has a time instead of a number of steps follows the clock (``timetable.py``), and has the same batches and draws.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from tinygpt.checkpoints.adapter_files import weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.checkpoints.read_back import verify_checkpoint
from tinygpt.checkpoints.retention import kept_folder
from tinygpt.checkpoints.saving import finish_save, save_checkpoint
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.corpora import Corpus, memorization_warning
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.data import Batch, BatchSampler, evaluation_batches
from tinygpt.engines import create_engine, parse_variant
from tinygpt.errors import CheckpointError, DivergedError, StorageError
from tinygpt.generation.decoding import prompt_note
from tinygpt.schedule import learning_rate_at
from tinygpt.system.folder_lock import HeldFolder, folder_lock
from tinygpt.system.stopping import StopRequest
from tinygpt.tokenizers import vocabulary_note
from tinygpt.trained import n_trained
from tinygpt.training.events import (
    CheckpointRecord,
    EvaluationRecord,
    Event,
    PlanRecord,
    SampleRecord,
    StartRecord,
    StopRecord,
)
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import (
    changed_settings,
    checkpoint_to_resume,
    require_free_folder,
    require_own_folder,
    resumed_options,
    run_tokenizer,
)
from tinygpt.training.samples import write_sample
from tinygpt.training.starting import starting_weights
from tinygpt.training.timetable import Timetable
from tinygpt.training.trainer import Trainer

_RECENT = 20  # steps in the mean training loss
_LAST_EVALUATION = 0.02  # share of a run's time for the evaluation at its end, which reads all held-out text if it can
_WORSE = 1.1  # times the loss before the first step, on training and held-out text: training did harm
_FINITE = "finite numbers, as with a smaller learning rate"
_SECONDS_TO_LEAVE = 1.5  # of the command after the last checkpoint: writing rows, closing the view


def run_session(
    plan: TrainingPlan, corpus: Corpus, resume: bool = False, stop: StopRequest | None = None, writes: bool = True
) -> Iterator[Event]:
    """Train as planned, yielding events.

    Ctrl-C, SIGTERM and a hang-up save after the current step and end the stream with a StopRecord; a second one raises
    KeyboardInterrupt. If the consumer closes the stream early, the run is saved too.

    Args:
        plan: the plan.
        corpus: the text.
        resume: continue from the checkpoint in ``plan.out``.
        stop: the stop request, to share it with a view.
        writes: this process writes the folder; one of several that train a model together does.

    Raises:
        FolderInUseError: another process trains into the folder.
        ConfigError: the folder is not empty, or among another run's own, or the checkpoint belongs to another run.
        CorpusError: the text is too short for the context.
        CheckpointError: there is no sound checkpoint to resume from, or the first one did not read back.
        StorageError: a checkpoint could not be written; the one before is intact.
        DivergedError: the loss is not finite, and the newest checkpoint is intact; or it ended above that of the
            weights that the run started from.
    """
    if writes:
        require_own_folder(plan.out)
    with stop or StopRequest() as stop, folder_lock(plan.out) if writes else nullcontext() as held:
        if held is not None:
            finish_save(plan.out)
        session = _Session(plan, corpus, resume, stop, held)
        try:
            yield from session.events()
        except GeneratorExit:
            if not stop.abandoned and session.engine.processes.count == 1:  # the other processes would not take part
                session.save_if_new()
            raise


class _Session:
    """The state of a running session: engine, clocks, and progress."""

    def __init__(
        self, plan: TrainingPlan, corpus: Corpus, resume: bool, stop: StopRequest, held: HeldFolder | None
    ) -> None:
        self.started, self.earlier_seconds = time.perf_counter(), 0.0
        self.plan, self.corpus, self.stop, self.held = plan, corpus, stop, held
        checkpoint = checkpoint_to_resume(plan, corpus) if resume else None
        if not resume and held is not None:
            require_free_folder(plan)
        source = checkpoint if resume else starting_weights(plan)
        tokenizer = run_tokenizer(plan, corpus, source)
        self.tokens = corpus_tokens(corpus, tokenizer)
        own = replace(plan.preset_entry.model, vocab_size=tokenizer.vocab_size)
        model, base = (own, plan.preset_entry.train) if source is None else (source.config, source.train)
        train = plan.train_config(base, model)
        self.changes = () if checkpoint is None else changed_settings(plan, train, checkpoint)
        sampler = BatchSampler(self.tokens.train, train.rows_per_step, model.context_length, plan.seed)
        self.held_out = evaluation_batches(
            self.tokens.held_out, train.batch_size, model.context_length, plan.eval_batches
        )
        name, options = parse_variant(plan.engine)
        if checkpoint is not None and checkpoint.training is not None:
            # A resumed run repeats the calibrated kernels and the number of threads of its first part.
            options = resumed_options(plan.engine, checkpoint.training.engine_options)
        weights, adapter = (None, None) if source is None else (source.weights, source.adapter)
        self.engine = create_engine(name, model, train, plan.seed, weights=weights, adapter=adapter, **options)
        self.base = self.base_sha256 = None
        if source is not None and train.lora:
            self.base, self.base_sha256 = source.base, weights_sha256(source.weights)
        self.engine.tokenizer = tokenizer
        self.step = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.held_out_loss: float | None = None
        self.loss_before: float | None = None  # the same of the weights that the run starts from
        self.best: tuple[float, int] | None = None  # held-out loss, step
        self.stopped_early = False
        self.started_from = plan.start_from
        if checkpoint is not None:
            self._restore(checkpoint)
        self.first_step = self.step
        # Steps of the last evaluation, sample and checkpoint.
        self.saved = -1 if checkpoint is None else self.step
        state = None if checkpoint is None else checkpoint.training
        self.evaluated = self.sampled = -1
        if state is not None:  # None in an older format: both are done
            self.evaluated = self.step if state.evaluated_step is None else state.evaluated_step
            self.sampled = self.step if state.sampled_step is None else state.sampled_step
        self.saved_at = time.perf_counter()
        self.timetable = None if plan.minutes is None else Timetable(60.0 * plan.minutes, self._elapsed)
        timed = self.timetable is not None
        self.trainer = Trainer(
            self.engine, sampler, self._timed_rate if timed else None, None if timed else plan.pauses_after
        )
        self.over = self.step >= plan.steps
        self.save_seconds = self.sample_seconds = self.batch_seconds = 0.0  # of the newest

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, optimizer = checkpoint.training, checkpoint.optimizer
        assert state is not None and optimizer is not None  # as checkpoint_to_resume checks
        self.engine.load_optimizer_state(optimizer)
        self.step = state.step
        self.recent.extend(state.recent_losses)
        self.held_out_loss, self.loss_before = state.held_out_loss, state.loss_before
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
            self.engine.config.n_parameters,
            self.first_step,
            " ".join(filter(None, self._warnings())) or None,
            self.changes,
            self.tokens.tokenizer,
            self.tokens.bytes_per_token,
            n_trained(self.engine.config, self.engine.train) if self.engine.train.freezes else None,
            self._train_loss() if self.recent else None,
            None if self.held_out_loss is None else (self.evaluated, self.held_out_loss),
            self.loss_before,
        )
        if not self._stop_requested():
            yield from self._between_steps()  # in case the part before was stopped before it did this
            self.stopped_early = self._has_stalled()  # likewise
            if not (self.stopped_early or self.over):
                yield from self._steps()
        if self.saved != self.step:
            yield self._save()
        if self.over or self.stopped_early:
            self._require_no_harm()
        yield self._stop_record()

    def _warnings(self) -> tuple[str | None, ...]:
        model = self.engine.config
        prompt = prompt_note(self.plan.prompt, model.context_length, self.tokens.tokenizer)
        small = memorization_warning(self.corpus, model, is_trained=self.started_from is not None)
        few = vocabulary_note(self.tokens.tokenizer) if self.started_from is None else None
        return self.corpus.warning, small, few, prompt

    def _steps(self) -> Iterator[Event]:
        plan = self.plan
        remaining = None if self.timetable else plan.steps - self.step
        for record in self.trainer.run(self.step, remaining):
            self.step = self.trainer.taken
            record = replace(record, loss=record.loss / self.tokens.bytes_per_token)
            self.recent.append(record.loss)
            yield record
            if record.step < self.step:
                continue  # the weights are those of the last step taken at once
            if self.saved < 0:
                yield self._save(verify=True)
            self.over = self._is_over(record.seconds)
            if self._stop_requested():
                return
            yield from self._between_steps()
            if self._save_is_due():
                yield self._save()
            if self._has_stalled():
                self.stopped_early = True
                return
            if self.over:
                return

    def _between_steps(self) -> Iterator[Event]:
        """Evaluate and sample if due and not yet done; both are due after the last step, and before the first one too
        if the weights can do something already.
        """
        step, last = self.step, self.over
        tenth = self.timetable is not None and self.timetable.next_tenth()
        if not step and self.started_from is None:
            return
        evaluates = tenth if self.timetable else step % self.plan.evaluation_interval == 0
        if self.evaluated != step and (last or evaluates):
            yield from self._evaluate()
        if self._stop_requested():
            return
        samples = tenth if self.timetable else self.plan.samples_after(step)
        if self.sampled != step and (last or samples):
            yield self._sample()
        if step and self.timetable and (last or tenth or step >= self.plan.steps):
            yield self._plan_again(self.timetable)

    # ---- the clock ---------------------------------------------------------------------------------------

    def _timed_rate(self, step: int) -> float:
        assert self.timetable is not None
        return learning_rate_at(self.engine.train, step, self.timetable.done)

    def _is_over(self, step_seconds: float) -> bool:
        if self.timetable is None:
            return self.step >= self.plan.steps
        return self.timetable.is_over(step_seconds)

    def _last_batches(self) -> list[Batch]:
        """Return the held-out batches of the last evaluation: all of them, or as many as fit into its time."""
        assert self.timetable is not None
        limit = self.plan.eval_batches
        if self.batch_seconds:
            limit = max(limit, int(_LAST_EVALUATION * self.timetable.seconds / self.batch_seconds))
        model, train = self.engine.config, self.engine.train
        return evaluation_batches(self.tokens.held_out, train.batch_size, model.context_length, limit)

    def _plan_again(self, timetable: Timetable) -> PlanRecord:
        """Set the number of steps and the time for the end to what was seen so far."""
        last_evaluation = len(self._last_batches()) * self.batch_seconds
        timetable.keep_for_the_end(last_evaluation + self.sample_seconds + 2 * self.save_seconds + _SECONDS_TO_LEAVE)
        steps = self.step if self.over else timetable.planned_steps(self.step)
        if steps != self.plan.steps:
            self.plan = replace(self.plan, steps=steps)
            self._outdate_saved()
        return PlanRecord(self.step, self.plan)

    def _evaluate(self) -> Iterator[Event]:
        """Evaluate on the held-out batches and save the best weights; yield nothing if stopped half-way."""
        total, rows, n_bytes, start = 0.0, 0, 0, time.perf_counter()
        batches = self._last_batches() if self.timetable and self.over else self.held_out
        for batch in batches:
            if self._stop_requested():
                return
            total += self.engine.loss(batch.inputs, batch.targets) * len(batch.inputs)
            rows += len(batch.inputs)
            n_bytes += int(self.tokens.tokenizer.byte_lengths(batch.targets).sum())
        self.batch_seconds = (time.perf_counter() - start) / len(batches)
        loss = total / rows * (rows * self.engine.config.context_length / n_bytes)  # per token, then per byte
        if not math.isfinite(loss):
            raise self._diverged(f"the held-out loss is {loss}")
        self.held_out_loss, self.evaluated = loss, self.step
        self.loss_before = self.loss_before if self.step else loss
        self._outdate_saved()
        yield EvaluationRecord(self.step, self._train_loss(), loss, self._elapsed())
        if self.best is None or loss < self.best[0]:
            self.best = (loss, self.step)
            yield self._save_best()

    def _has_stalled(self) -> bool:
        """Return whether the held-out loss has not fallen for as many evaluations as the plan's patience."""
        patience = self.plan.patience
        if patience is None or self.best is None or self.evaluated != self.step:
            return False
        return self.step - self.best[1] >= patience * self.plan.evaluation_interval

    def _sample(self) -> SampleRecord:
        start = time.perf_counter()
        sample = write_sample(self.engine, self.plan, self.step, self._train_loss(), self.held_out_loss)
        self.sample_seconds = time.perf_counter() - start
        self.sampled = self.step
        self._outdate_saved()
        return sample

    def _require_no_harm(self) -> None:
        """Raise a DivergedError if a run that started from weights made them worse on both texts.

        A model that only repeats its training text is worse on the held-out text alone.
        """
        before, now, trained = self.loss_before, self.held_out_loss, self._train_loss()
        if before is None or now is None or not self.recent or min(now, trained) <= _WORSE * before:
            return
        losses = f"the loss is {trained:.3f} on training text and {now:.3f} on held-out text, {before:.3f} before,"
        allowed = f"a loss that falls; {self.plan.out / KEPT / BEST} has the best weights"
        raise self._diverged(f"training diverged: {losses}", allowed)

    def _diverged(self, problem: str, allowed: str = _FINITE) -> DivergedError:
        rate = self.engine.train.learning_rate
        return DivergedError(
            f"{problem} after step {self.step}, with learning rate {rate:g}",
            allowed,
            f"the same command with --learning-rate {rate / 10:g} and another --out",
        )

    def _stop_record(self) -> StopRecord:
        finished = self.over or self.stopped_early
        signal = None if finished else self.stop.signal
        return StopRecord(
            "stopped early" if self.stopped_early else "finished" if finished else "interrupted",
            None if signal is None else signal.name,
            0 if signal is None else 128 + signal.value,
            self.step,
            self.plan,
            self._train_loss() if self.recent else None,
            self.held_out_loss,
            self._elapsed(),
        )

    # ---- saving ------------------------------------------------------------------------------------------

    def save_if_new(self) -> None:
        """Save unless the newest checkpoint is of this step."""
        if self.saved != self.step:
            self._save()

    def _outdate_saved(self) -> None:
        """Require a new checkpoint: one of this step lacks the evaluation or sample after it."""
        self.saved = min(self.saved, self.step - 1)

    def _save_is_due(self) -> bool:
        every = self.plan.checkpoint_every
        by_step = every is not None and self.step % every == 0
        by_clock = self.engine.processes.any(time.perf_counter() - self.saved_at >= self.plan.checkpoint_seconds)
        return self.saved != self.step and (by_step or by_clock)

    def _save(self, verify: bool = False) -> CheckpointRecord:
        start = time.perf_counter()
        checkpoint = replace(self._checkpoint(), optimizer=self.engine.current_optimizer_state())
        if self.held is not None:
            self.held.require()
            try:
                save_checkpoint(self.held.folder, checkpoint, keep=self.plan.keep)
            except CheckpointError as error:  # the loss was finite, and the step after it no longer
                raise self._diverged(error.problem) from None
            if verify:
                verify_checkpoint(self.held.folder, checkpoint)
        self.saved, self.saved_at = self.step, time.perf_counter()
        self.save_seconds = self.saved_at - start
        return CheckpointRecord(self.step, self.plan.out, self.save_seconds, verify)

    def _save_best(self) -> CheckpointRecord:
        """Save the weights alone, for sampling."""
        start = time.perf_counter()
        checkpoint = self._checkpoint()
        if self.held is not None:
            self.held.require()
            try:
                save_checkpoint(kept_folder(self.held.folder, BEST), checkpoint)
            except StorageError:
                self.save_if_new()
                raise
        return CheckpointRecord(
            self.step, self.plan.out / KEPT / BEST, time.perf_counter() - start, verified=False, best=True
        )

    def _checkpoint(self) -> Checkpoint:
        """Make a checkpoint without AdamW's state; its arrays are the engine's own until the next step."""
        return Checkpoint(
            self.engine.config,
            self.engine.train,
            self.engine.parameters(),
            training=self._state(),
            tokenizer=self.tokens.tokenizer,
            adapter=self.engine.adapter() or None,
            base=self.base,
        )

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
            loss_before=self.loss_before,
            base_sha256=self.base_sha256,
            evaluated_step=max(0, self.evaluated),
            sampled_step=max(0, self.sampled),
            settings=self.plan.stored_settings,
        )

    def _stop_requested(self) -> bool:
        return self.engine.processes.any(self.stop.requested)

    def _train_loss(self) -> float:
        """Return the mean loss of the recent steps; not a number before the first one."""
        return float(np.mean(self.recent)) if self.recent else math.nan

    def _elapsed(self) -> float:
        return self.earlier_seconds + self.plan.seconds_before + time.perf_counter() - self.started
