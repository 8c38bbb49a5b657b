"""What ``invoke accelerator-train`` is asked to train. The module that trains imports pandas; this one does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.terminal.options import REQUIRED, option


@dataclass(frozen=True, kw_only=True)
class AcceleratorTrainingOptions:
    """Options of accelerator-train."""

    out: Path = option(REQUIRED, "folder for the rows and the best checkpoint")
    preset: str = option("huge", "model to train")
    corpus: str = option("shakespeare", "text to train on")
    corpus_file: str | None = option(None, "the corpus tinyshakespeare as a file that you have")
    engine: str = option("jax[dispatch=8]", "a variant of jax")
    minutes: float = option(9.0, "in all")
    steps: int | None = option(None, "instead of as many as the minutes hold")
    batch: int = option(64, "sequences in a batch")
    recipe: str = option("nanogpt", "constant, warmup, cosine or nanogpt")
    learning_rate: float | None = option(None, "instead of the recipe's")
    dropout: float = option(0.2, "share of the numbers that dropout sets to 0")
    commit: str = option("", "of the code, where it is a copy without the history")
    eval_batches: int = option(16, "held-out batches per evaluation")
