"""The loss that fewer bytes a weight cost, measured before and after, and stored with the rounded weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygpt.arguments import whole_number
from tinygpt.checkpoints.checkpoint import Checkpoint, whole
from tinygpt.checkpoints.quantized import Quantization, write_quantized
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.errors import ConfigError
from tinygpt.evaluation.loss import sample_loss, scoring_engine
from tinygpt.generation.inference import LanguageModel
from tinygpt.rounding import rounded
from tinygpt.system.files import new_path

MEASURED_BYTES = 100_000


def save_rounded(
    model: LanguageModel, corpus: Corpus, out: Path, precision: str = "int8", n_bytes: int = MEASURED_BYTES
) -> Quantization:
    """Write a model's weights rounded to a new folder, with the loss per byte before and after.

    Args:
        model: an engine, a loaded checkpoint or a gallery model.
        corpus: whose held-out text is scored.
        out: a new folder.
        precision: ``int8`` or ``float16``.
        n_bytes: held-out bytes to score, about; they are spread evenly over the text.

    Raises:
        ConfigError: the precision is unknown, the number is below 2, the weights are rounded already, or ``out``
            exists.
        CheckpointError: a weight is not finite, or too large for the precision.
        CorpusError: the held-out text is too short.
        StorageError: the file system refused.
    """
    whole_number("the number of bytes", n_bytes, 2)
    if (stored := getattr(model, "stored_precision", None)) is not None:
        problem, allowed = f"the weights are stored in {stored} already", "the model that they were rounded from"
        raise ConfigError(problem, allowed, "invoke quantize --checkpoint ORIGINAL")
    source = whole(model)
    held_out = corpus_tokens(corpus, source.tokenizer).held_out
    with new_path(out) as folder:
        after = replace(source, weights=rounded(source.weights, precision))
        losses = [_loss(weights, held_out, n_bytes) for weights in (source, after)]
        measured = {
            "corpus": corpus.name,
            "corpus_sha256": corpus.sha256,
            "measured_bytes": min(n_bytes, len(corpus.held_out)),
            "loss_before": losses[0],
            "loss_after": losses[1],
        }
        about = source.config, source.tokenizer, source.train.dropout
        return write_quantized(folder, *about, source.weights, precision, measured)


def _loss(model: Checkpoint, held_out: np.ndarray, n_bytes: int) -> float:
    """Nats per byte; the engine is gone before the next one is made."""
    return float(sample_loss(scoring_engine(model), held_out, n_bytes))
