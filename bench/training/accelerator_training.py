"""Training of a preset on an accelerator for some minutes, or for a number of steps.

    measured step ─► number of steps ─► tinygpt.training.session, recorded ─► copy and evaluation of the best weights

The number of steps is fixed before the run, because a cosine schedule needs to know its end. The output folder has the
rows (``local/``) and the best checkpoint (``best/``).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.records.provenance import vouched_provenance
from bench.training.options import AcceleratorTrainingOptions
from bench.training.record_training import record_events
from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.tokenizers import BYTES, load_tokenizer
from tinygpt.training.events import EvaluationRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

_TIMED_STEPS = 40


def measured_step_seconds(plan: TrainingPlan, corpus: Corpus) -> float:
    """Measure the seconds of a step like the session's, without compilation."""
    tokenizer = load_tokenizer(plan.tokenizer or BYTES.name, corpus)
    model = replace(plan.preset_entry.model, vocab_size=tokenizer.vocab_size)
    train, tokens = plan.train_config(plan.preset_entry.train), corpus_tokens(corpus, tokenizer).train
    engine = create_engine(plan.engine, model, train, plan.seed)
    sampler = BatchSampler(tokens, train.rows_per_step, model.context_length, plan.seed)
    count = engine.steps_per_dispatch
    seconds: list[float] = []
    for first in range(0, max(_TIMED_STEPS, 3 * count), count):
        start = time.perf_counter()
        batch = sampler.batches(range(first, first + count))
        engine.train_steps(batch.inputs, batch.targets)
        seconds.append((time.perf_counter() - start) / count)
    return float(np.median(seconds[1:]))


def whole_held_out_loss(folder: Path, engine_name: str, corpus: Corpus) -> float:
    """Return a checkpoint's loss over the whole held-out text, nats per byte."""
    engine = scoring_engine(load_checkpoint(folder), engine_name)
    return text_loss(engine, corpus_tokens(corpus, engine.tokenizer).held_out)


def train_on_accelerator(options: AcceleratorTrainingOptions) -> int:
    """Train, copy the best weights and evaluate them; return the session's exit code."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        # A checkpoint stores its plan's corpus_file, and this machine's path means nothing elsewhere.
        plan = TrainingPlan.of(options, out=Path(scratch) / "run", corpus_file=None, keep=0)
        plan = replace(plan, batch_size=options.batch, eval_batches=options.eval_batches)
        steps = options.steps or _steps_that_fit(plan, corpus, options, started)
        plan = replace(plan, steps=steps, eval_every=max(1, steps // options.evaluations))
        code = 0
        events = run_session(plan, corpus)
        for event in record_events(events, out, options.suite, code=vouched_provenance(options.commit)):
            if isinstance(event, EvaluationRecord):
                losses = f"train {event.train_loss:.4f}, held out {event.held_out_loss:.4f}"
                print(f"step {event.step}: {losses}", flush=True)
            elif isinstance(event, StopRecord):
                code = event.exit_code
        best = shutil.copytree(plan.out / KEPT / BEST, out / "best", dirs_exist_ok=True)
    loss = whole_held_out_loss(best, options.engine, corpus)
    print(f"best checkpoint: {loss:.4f} nats per byte over all held-out text; in {best}")
    return code


def _steps_that_fit(plan: TrainingPlan, corpus: Corpus, options: AcceleratorTrainingOptions, started: float) -> int:
    """Return the steps that fit into the minutes since ``started``, of ``time.perf_counter``."""
    seconds = measured_step_seconds(plan, corpus)
    # Evaluations, samples and saves take a small part, which the factor leaves.
    steps = max(options.evaluations, int(0.85 * (options.minutes * 60 - time.perf_counter() + started) / seconds))
    print(f"{seconds * 1e3:.2f} ms per step, {steps} steps", flush=True)
    return steps
