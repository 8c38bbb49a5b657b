"""What ``invoke accelerator-train`` is asked to train. The module that trains imports pandas; this one does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class AcceleratorTrainingOptions:
    """Options of accelerator-train.

    Attributes:
        out: folder for the rows and the best checkpoint.
        preset: model to train.
        corpus: text to train on.
        corpus_file: the corpus tinyshakespeare as a file that you have.
        engine: a variant of jax.
        minutes: in all.
        steps: instead of as many as the minutes hold.
        batch: sequences in a batch.
        recipe: constant, warmup, cosine or nanogpt.
        learning_rate: instead of the recipe's.
        dropout: share of the numbers that dropout sets to 0.
        commit: of the code, where it is a copy without the history.
        eval_batches: held-out batches per evaluation.
    """

    out: Path
    preset: str = "huge"
    corpus: str = "shakespeare"
    corpus_file: str | None = None
    engine: str = "jax[dispatch=8]"
    minutes: float = 9.0
    steps: int | None = None
    batch: int = 64
    recipe: str = "nanogpt"
    learning_rate: float | None = None
    dropout: float = 0.2
    commit: str = ""
    eval_batches: int = 16
