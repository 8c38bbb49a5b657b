"""Engine ``vectorized``, in data-flow order: ``engine`` cuts the batch, ``shard`` runs forward and backward on its
rows, ``kernels`` holds what runs between the products, ``arena`` sums, clips and updates."""

from tinygpt.engines.vectorized.engine import VectorizedEngine

__all__ = ["VectorizedEngine"]
