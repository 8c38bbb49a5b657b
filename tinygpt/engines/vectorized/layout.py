"""How an engine spreads over cores: decided from the shapes, before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.config import ModelConfig, TrainConfig

# Clipping and AdamW are bound by memory, which a few workers use up whatever the batch is.
_UPDATE_WORKERS = 4

# Rows of a batch per input of a weight from which folding a norm into the weight pays.
_FOLD_FROM = 2.0


@dataclass(frozen=True)
class Layout:
    """Who takes part in a step.

    Attributes:
        shards: workers with rows of the batch and a gradient of their own; more than rows would have nothing to do.
        workers: those and, for the update alone, a few more if the batch is small.
        blas_threads: what BLAS may use in each shard: the threads that are left over.
        folded: whether norms are folded into the projections that read them.
    """

    shards: int
    workers: int
    blas_threads: int
    folded: bool

    @classmethod
    def of(cls, model: ModelConfig, train: TrainConfig, threads: int) -> Layout:
        """The layout for a model, a batch and a number of threads."""
        shards = min(threads, train.batch_size)
        return cls(
            shards,
            min(threads, max(shards, _UPDATE_WORKERS)),
            max(1, threads // shards),
            train.batch_size * model.context_length >= _FOLD_FROM * model.d_model,
        )
