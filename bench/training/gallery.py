"""Gallery models, made reproducibly: train with a fixed recipe, evaluate, store in int8, write the card.

The table says how each is trained. The best weights of the run (lowest held-out loss) are what is kept; the samples on
the card are those of the first seeds, all of them, and the run's own samples show how they came about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.records.machine import fresh_machine
from bench.records.provenance import read_provenance
from bench.records.scrub import recorded_corpus
from tinygpt.checkpoints.checkpoint import Checkpoint, load_checkpoint
from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.corpora import Corpus
from tinygpt.engines import format_variant, parse_variant
from tinygpt.errors import CheckpointError, unknown_name
from tinygpt.evaluation import EvaluationSettings, evaluate_model
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.gallery.card import CARD_VERSION, Card
from tinygpt.gallery.loader import CARD, MODELS, WEIGHTS
from tinygpt.gallery.quantized import dequantize, quantize, stored_bytes
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.schedule import optimizer_text
from tinygpt.system.files import replace_file, write_file
from tinygpt.system.staging import replace_files
from tinygpt.training.events import Event, SampleRecord
from tinygpt.training.plan import TrainingPlan

EVOLUTION = "evolution.json"  # beside the checkpoint, which leaves files that are not its own alone
SAMPLE = SamplingSettings(200, temperature=0.8)
_EVALUATIONS = 20  # in a run
_EVALUATION_BATCHES = 64


@dataclass(frozen=True)
class GalleryEntry:
    """How a gallery model is trained.

    Attributes:
        name: the model's.
        corpus: the text.
        preset: shape and batch.
        recipe: name of a row of ``RECIPES``.
        steps: updates; chosen to end within half an hour on two cores.
        dropout: share of the numbers that dropout sets to 0.
        seed: of the starting weights and the batches.
    """

    name: str
    corpus: str
    preset: str
    recipe: str
    steps: int
    dropout: float
    seed: int = 0

    def plan(self, out: Path) -> TrainingPlan:
        """The run."""
        return TrainingPlan(
            out=out,
            preset=self.preset,
            corpus=self.corpus,
            steps=self.steps,
            seed=self.seed,
            recipe=self.recipe,
            dropout=self.dropout or None,
            eval_every=max(1, self.steps // _EVALUATIONS),
            eval_batches=_EVALUATION_BATCHES,
            sample_every=max(1, self.steps // 5),
            early_samples=True,
            sampling=SAMPLE,
        )


GALLERY = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            GalleryEntry("shakespeare", "shakespeare", "medium", "cosine", 15_000, 0.05),
            GalleryEntry("kjv", "kjv", "medium", "cosine", 11_000, 0.0),
            GalleryEntry("python", "python", "medium", "cosine", 18_000, 0.0),
            GalleryEntry("stories", "stories", "medium", "cosine", 14_000, 0.0),
        )
    }
)


def get_entry(name: str) -> GalleryEntry:
    """Look a model up by name.

    Raises:
        ConfigError: there is none; the message suggests the nearest name.
    """
    if name not in GALLERY:
        raise unknown_name("gallery model", name, GALLERY, "invoke gallery train shakespeare")
    return GALLERY[name]


# ---- while it trains -------------------------------------------------------------------------------------


def keep_evolution(events: Iterable[Event], out: Path) -> Iterator[Event]:
    """Pass a session's events on and keep its samples beside the checkpoint, those of earlier parts included."""
    for event in events:
        # The first checkpoint, which makes the folder, comes before the first sample.
        if isinstance(event, SampleRecord):
            _add_to_evolution(out, _evolution_entry(event))
        yield event


def _evolution_entry(event: SampleRecord) -> dict[str, Any]:
    names = ("step", "prompt", "text", "temperature", "top_k", "seed", "train_loss", "held_out_loss")
    return {name: getattr(event, name) for name in names}


def _add_to_evolution(out: Path, sample: dict[str, Any]) -> None:
    known = {entry["step"]: entry for entry in read_evolution(out)} | {sample["step"]: sample}
    text = json.dumps([known[step] for step in sorted(known)], indent=1, ensure_ascii=False)
    replace_file(out / EVOLUTION, [text.encode()])


def read_evolution(out: Path) -> list[dict[str, Any]]:
    """The samples that a run has written so far; none without the file.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = out / EVOLUTION
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list) or not all(
            isinstance(e, dict) and isinstance(e["step"], int) for e in entries
        ):
            raise ValueError("not a list of samples")
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error})", "the file as it was written", "delete it, and go on"
        ) from None
    return entries


# ---- afterwards ------------------------------------------------------------------------------------------


def best_checkpoint(out: Path) -> Checkpoint:
    """The run's best weights; the newest if none were kept apart.

    Raises:
        CheckpointError: there is no whole checkpoint with a training state.
    """
    kept = out / KEPT / BEST
    found = load_checkpoint(kept if kept.is_dir() else out)
    if found.training is None:
        raise CheckpointError(f"{out} holds weights but no training state", "a folder that invoke gallery train wrote")
    return found


def make_card(
    entry: GalleryEntry,
    plan: TrainingPlan,
    corpus: Corpus,
    precision: str = "int8",
    settings: EvaluationSettings | None = None,
) -> tuple[Card, bytes]:
    """Evaluate a finished run and put it on a card.

    Args:
        entry: the model's row.
        plan: of the run in ``plan.out``.
        corpus: its text.
        precision: of the stored weights.
        settings: of the texts on the card.

    Returns:
        the card, and the file of weights that belongs to it.

    Raises:
        CheckpointError: there is no whole run in the folder, or it was trained on another text.
    """
    best, newest = best_checkpoint(plan.out), load_checkpoint(plan.out)
    state = best.training
    assert state is not None and newest.training is not None
    if state.corpus_sha256 != corpus.sha256:
        raise CheckpointError(
            f"{plan.out} was trained on another text ({state.corpus_sha256[:12]}…)",
            f"{corpus.name}, {corpus.sha256[:12]}…",
            f"invoke gallery train {entry.name} --out DIR",
        )
    stored = quantize(best.weights, precision)
    data, read_back = stored_bytes(stored), dequantize(stored)
    evaluation = evaluate_model(Checkpoint(best.model, best.train, read_back), corpus, settings)
    machine = json.loads(fresh_machine())
    card = Card(
        version=CARD_VERSION,
        name=entry.name,
        corpus=recorded_corpus(corpus.name),
        corpus_sha256=corpus.sha256,
        licence=corpus.licence,
        source=corpus.source,
        preset=plan.preset,
        model=asdict(best.model),
        n_parameters=best.model.n_parameters,
        engine=format_variant(parse_variant(plan.engine)[0], state.engine_options),
        recipe=optimizer_text(best.train),
        train=asdict(best.train) | {"betas": [*best.train.betas]},  # as JSON has it
        steps=state.step,
        planned_steps=plan.steps,
        tokens=state.step * best.train.rows_per_step * best.model.context_length,
        seed=plan.seed,
        seconds=newest.training.elapsed_seconds,
        machine={"cpu": machine.get("cpu"), "cores": machine.get("cores")},
        commit=read_provenance().commit,
        trained_on=f"{datetime.now(UTC):%Y-%m-%d}",
        command=f"invoke gallery train {entry.name}",
        precision=precision,
        file_bytes=len(data),
        file_sha256=hashlib.sha256(data).hexdigest(),
        largest_error=_largest_error(best.weights, read_back),
        float32_held_out_loss=text_loss(scoring_engine(best), corpus.held_out_tokens),
        evaluation=json.loads(evaluation.as_json()),
        evolution=tuple(read_evolution(plan.out)),
    )
    return card, data


def _largest_error(weights: Mapping[str, np.ndarray], stored: Mapping[str, np.ndarray]) -> float:
    return max(float(np.abs(value - stored[name]).max()) for name, value in weights.items())


def write_model(card: Card, data: bytes, root: Path = MODELS) -> Path:
    """Put a model into the gallery, in the place of the one before.

    Returns:
        its folder.

    Raises:
        StorageError: the file system refused; the model before is intact.
    """

    def write(folder: Path) -> None:
        write_file(folder / WEIGHTS, [data])
        write_file(folder / CARD, [card.as_json().encode()])

    folder = root / card.name
    replace_files(folder, frozenset({CARD, WEIGHTS}), write)
    return folder
