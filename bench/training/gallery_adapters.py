"""Adapters of the gallery: one model learns another genre, with LoRA, in minutes on two cores.

An adapter is the best of its run by the loss on held-out text. Its card has that loss over the whole held-out part,
before and after, and what base and adapter write with the same random choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.records.provenance import Provenance
from bench.training.gallery_cards import best_folder, finished_run, trained_fields
from tinygpt.checkpoints.adapter_files import weights_sha256
from tinygpt.checkpoints.layout import ADAPTER
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.gallery.card import AdapterCard
from tinygpt.gallery.loader import load_gallery_model
from tinygpt.generation.decoding import generate_text
from tinygpt.training.plan import TrainingPlan

_LENGTH = 400  # bytes of each text on the card
_EVALUATIONS = 5  # in a run


@dataclass(frozen=True)
class AdapterEntry:
    """The training of an adapter.

    Attributes:
        name: of the adapter.
        base: the model of the gallery that learns another genre.
        corpus: the text of that genre.
        steps: updates; chosen to end within five minutes on two cores.
        prompt: the beginning of the texts on the card.
    """

    name: str
    base: str
    corpus: str
    steps: int
    prompt: str
    lora: str = "rank=16,alpha=32,on=attn+mlp"

    def plan(self, out: Path) -> TrainingPlan:
        """Return the plan of the run."""
        return TrainingPlan(
            out=out,
            start_from=self.base,
            corpus=self.corpus,
            lora=self.lora,
            steps=self.steps,
            learning_rate=4e-3,
            batch_size=16,
            eval_every=max(1, self.steps // _EVALUATIONS),
            eval_batches=64,
        )


_ENTRIES = (
    AdapterEntry("stories-shakespeare", "stories", "shakespeare", 1000, "\n"),
    AdapterEntry("shakespeare-kjv", "shakespeare-bytes", "kjv", 1000, "\n"),
)
GALLERY_ADAPTERS = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Name → how the adapter is trained."""


def make_adapter_card(
    entry: AdapterEntry, plan: TrainingPlan, corpus: Corpus, code: Provenance | None = None
) -> tuple[AdapterCard, dict[str, bytes]]:
    """Evaluate the best adapter of a finished run; return its card and the files beside it.

    Raises:
        CheckpointError: the run is not complete, or was trained on another text.
    """
    newest, best = finished_run(entry.name, plan, corpus)
    files = {name: (best_folder(plan.out) / name).read_bytes() for name in AdapterCard.FILES}
    base, held_out = load_gallery_model(entry.base), corpus_tokens(corpus, best.tokenizer).held_out
    losses = [text_loss(scoring_engine(model), held_out) for model in (base, best)]
    texts = [generate_text(model, entry.prompt, _LENGTH, temperature=0.8, seed=0) for model in (base, best)]
    card = AdapterCard(
        **trained_fields(entry.name, plan, corpus, newest, best, files[ADAPTER], code),
        base=entry.base,
        base_sha256=weights_sha256(best.weights),
        lora=best.train.lora,
        loss_before=losses[0],
        loss_after=losses[1],
        prompt=entry.prompt,
        text_before=texts[0],
        text_after=texts[1],
    )
    return card, files
