"""Gallery models: train with a fixed recipe, evaluate, store in int8, write the card.

A model has the weights of its run with the lowest held-out loss. Its card shows the texts of the first seeds without a
selection, and the run's samples during training. A model that an accelerator trained may be evaluated elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.arms.devices import ACCELERATED, on_accelerator
from bench.records.provenance import Provenance
from bench.training.gallery_cards import finished_run, trained_fields
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.rounded_file import stored_bytes
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.errors import CheckpointError
from tinygpt.evaluation.anchors import draw_author, make_anchors
from tinygpt.evaluation.grades import LossHistory
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.evaluation.scores import EvaluationSettings, evaluate_model
from tinygpt.evaluation.subject import card_history, run_history
from tinygpt.gallery.card import WEIGHTS, Card
from tinygpt.gallery.loader import GalleryModel
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.rounding import dequantize, quantize
from tinygpt.system.files import replace_file
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER
from tinygpt.training.events import Event, SampleRecord
from tinygpt.training.plan import TrainingPlan

EVOLUTION = "evolution.json"  # in the checkpoint's folder, where a save keeps files that are not its own
SAMPLE = SamplingSettings(200, temperature=0.8)
_SAMPLE_FIELDS = ("step", "prompt", "text", "temperature", "top_k", "seed", "train_loss", "held_out_loss")
_EVALUATIONS = 20  # in a run
_EVALUATION_BATCHES = 64


@dataclass(frozen=True)
class GalleryEntry:
    """The training of a gallery model.

    Attributes:
        name: of the model.
        corpus: the name of its text.
        steps: updates; on two cores, chosen to end within half an hour.
        dropout: share of the numbers that dropout sets to 0.
        engine: the variant that trains it.
    """

    name: str
    corpus: str
    steps: int
    dropout: float = 0.0
    preset: str = "medium"
    tokenizer: str | None = None
    recipe: str = "cosine"
    engine: str = DEFAULT_ENGINE

    def plan(self, out: Path) -> TrainingPlan:
        """Return the plan of the run."""
        return TrainingPlan(
            out=out,
            preset=self.preset,
            corpus=self.corpus,
            tokenizer=self.tokenizer,
            engine=self.engine,
            steps=self.steps,
            recipe=self.recipe,
            dropout=self.dropout or None,
            eval_every=max(1, self.steps // _EVALUATIONS),
            eval_batches=_EVALUATION_BATCHES,
            sample_every=max(1, self.steps // 5),
            early_samples=True,
            sampling=SAMPLE,
        )


_ON_GPU = "jax[precision=bfloat16]"
_ENTRIES = (
    GalleryEntry(
        "shakespeare", "shakespeare", 3000, 0.1, "large[context_length=256,batch_size=32]", "bpe:2048", "muon", _ON_GPU
    ),
    GalleryEntry("kjv", "kjv", 2500, 0.2, "huge[n_layers=8,batch_size=32]", "bpe:4096", "muon", _ON_GPU),
    GalleryEntry("python", "python", 18_000),
    GalleryEntry("stories", "stories", 14_000),
    GalleryEntry("shakespeare-bytes", "shakespeare", 15_000, dropout=0.05),
)
GALLERY = MappingProxyType({entry.name: entry for entry in _ENTRIES})


# ---- during training ------------------------------------------------------------------------------------


def keep_evolution(events: Iterable[Event], out: Path) -> Iterator[Event]:
    """Pass a session's events on and add its samples to those of earlier parts in the checkpoint's folder."""
    for event in events:
        # The folder exists, because the first checkpoint comes before the first sample.
        if isinstance(event, SampleRecord):
            samples = {sample["step"]: sample for sample in read_evolution(out)}
            samples[event.step] = {name: getattr(event, name) for name in _SAMPLE_FIELDS}
            text = json.dumps([samples[step] for step in sorted(samples)], indent=1, ensure_ascii=False)
            replace_file(out / EVOLUTION, [text.encode()])
        yield event


def read_evolution(out: Path) -> list[dict[str, Any]]:
    """Return a run's samples so far; none without the file.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = out / EVOLUTION
    if not path.exists():
        return []
    try:
        samples = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(samples, list) or not all(isinstance(sample["step"], int) for sample in samples):
            raise ValueError("not a list of samples")
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{path} is damaged ({error})"
        raise CheckpointError(problem, "the file as it was written", "delete it and continue") from None
    return samples


# ---- after training ------------------------------------------------------------------------------------------


def make_card(
    entry: GalleryEntry,
    plan: TrainingPlan,
    corpus: Corpus,
    precision: str = "int8",
    settings: EvaluationSettings | None = None,
    code: Provenance | None = None,
    judges: bool = True,
) -> tuple[Card, dict[str, bytes]]:
    """Evaluate the best weights of a finished run; return the model's card and the files beside it.

    Args:
        entry: the model's entry in the table.
        plan: of the run in ``plan.out``.
        corpus: the corpus of the run.
        precision: of the stored weights.
        settings: of the texts on the card.
        code: commit of the code that trained; the checkout's when omitted.
        judges: without it, the card has no evaluation until :func:`judge_again` adds it.

    Raises:
        CheckpointError: the folder has no complete run, or its run was trained on another text.
    """
    newest, best = finished_run(entry.name, plan, corpus)
    stored = quantize(best.weights, precision)
    data, read_back = stored_bytes(stored), dequantize(stored)
    scorer = scoring_engine(best, ACCELERATED if on_accelerator(plan.engine) else DEFAULT_ENGINE)
    model = Checkpoint(best.config, best.train, read_back, tokenizer=best.tokenizer)
    card = Card(
        **trained_fields(entry.name, plan, corpus, newest, best, data, code),
        preset=plan.preset,
        model=asdict(best.config),
        planned_steps=plan.steps,
        precision=precision,
        largest_error=max(float(np.abs(value - read_back[name]).max()) for name, value in best.weights.items()),
        float32_held_out_loss=text_loss(scorer, corpus_tokens(corpus, best.tokenizer).held_out),
        evaluation=judged(model, corpus, settings, run_history(best.training)) if judges else {},
        evolution=tuple(read_evolution(plan.out)),
        tokenizer=best.tokenizer.name,
        tokenizer_sha256=None if best.tokenizer is BYTES else best.tokenizer.hash,
    )
    return card, model_files(data, best.tokenizer)


def model_files(data: bytes, tokenizer: Tokenizer = BYTES) -> dict[str, bytes]:
    """Return the files beside a model's card: its stored weights, and its tokenizer unless that is bytes."""
    if tokenizer is BYTES:
        return {WEIGHTS: data}
    return {WEIGHTS: data, TOKENIZER: json.dumps(tokenizer.content, ensure_ascii=False, separators=(",", ":")).encode()}


def judged(
    model: LanguageModel, corpus: Corpus, settings: EvaluationSettings | None, history: LossHistory | None
) -> dict[str, Any]:
    """Evaluate a model for its card, beside the corpus's anchors."""
    evaluation = evaluate_model(model, corpus, settings, history=history)
    beside = {
        "anchors": [asdict(anchor) for anchor in make_anchors(corpus, settings)],
        "draws": asdict(draw_author(corpus, settings)),
    }
    return json.loads(evaluation.as_json()) | json.loads(json.dumps(beside))


def judge_again(model: GalleryModel, corpus: Corpus, settings: EvaluationSettings | None = None) -> Card:
    """Evaluate a model of the gallery again, and return its card.

    Raises:
        CheckpointError: it was trained on another text.
    """
    if model.card.corpus_sha256 != corpus.sha256:
        raise CheckpointError(
            f"the model {model.card.name} was trained on another text ({model.card.corpus_sha256[:12]}…)",
            f"{corpus.name}, {corpus.sha256[:12]}…; the text of python is that of one version of the interpreter",
        )
    evaluation = judged(model, corpus, settings, card_history(model.card))
    return replace(model.card, evaluation=evaluation)
