"""The division of an engine's work over cores, decided from the shapes before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.config import ModelConfig, TrainConfig

# Clipping and AdamW are bound by memory bandwidth, which a few workers exhaust.
_UPDATE_WORKERS = 4

# Folding a norm into a weight pays from this many rows of a batch per input of the weight.
_FOLD_FROM = 2.0


@dataclass(frozen=True)
class Layout:
    """The workers of a step.

    Attributes:
        shards: workers with rows of the batch and a gradient of their own, at most one per row.
        workers: the shards and, if the batch is small, a few more workers for the update.
        blas_threads: BLAS threads of each shard.
        folded: norms are folded into the projections that read them.
    """

    shards: int
    workers: int
    blas_threads: int
    folded: bool

    @classmethod
    def of(cls, model: ModelConfig, train: TrainConfig, threads: int, folds: bool = True) -> Layout:
        """Choose the layout for a model, a batch and a number of threads, of an engine that can fold norms or not.

        Weights that fold change together: a run with frozen ones does not fold.
        """
        shards = min(threads, train.batch_size)
        return cls(
            shards,
            min(threads, max(shards, _UPDATE_WORKERS)),
            max(1, threads // shards),
            folds and not train.freezes and train.batch_size * model.context_length >= _FOLD_FROM * model.d_model,
        )
