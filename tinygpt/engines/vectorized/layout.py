"""The division of an engine's work over cores, decided from the shapes before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.trained import n_trained

# Clipping and AdamW are bound by memory bandwidth, which a few workers exhaust.
_UPDATE_WORKERS = 4

# Folding a norm into a weight pays from this many rows of a batch per input of the weight.
_FOLD_FROM = 2.0

# Parameters of a large model, for which a little more work is worth the memory that it saves: more than any preset of
# the ladder with several shards has.
_LARGE = 2**26


def is_large(numbers: int) -> bool:
    """Return whether so many parameters are those of a large model."""
    return numbers >= _LARGE


@dataclass(frozen=True)
class Layout:
    """The workers of a step.

    Attributes:
        shards: workers with rows of the batch, at most one per row.
        gradients: one for each shard, or one that all of them share, in turns.
        workers: the shards and, if the batch is small, a few more workers for the update.
        blas_threads: BLAS threads of each shard.
        folded: norms are folded into the projections that read them.
    """

    shards: int
    gradients: int
    workers: int
    blas_threads: int
    folded: bool

    @classmethod
    def of(
        cls, model: ModelConfig, train: TrainConfig, threads: int, folds: bool = True, takes_turns: bool = False
    ) -> Layout:
        """Choose the layout.

        Weights that fold change together: a run with frozen ones does not fold.

        Args:
            model: the shape.
            train: the batch, and what is trained.
            threads: cores to use.
            folds: the engine can fold norms into projections.
            takes_turns: its workers can add to one gradient, one after the other.
        """
        shards = min(threads, train.batch_size)
        return cls(
            shards,
            1 if takes_turns and is_large(n_trained(model, train)) else shards,
            min(threads, max(shards, _UPDATE_WORKERS)),
            max(1, threads // shards),
            folds and not train.freezes and train.batch_size * model.context_length >= _FOLD_FROM * model.d_model,
        )
