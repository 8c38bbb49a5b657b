"""Engine ``vectorized``, in data-flow order: ``engine`` takes the batch, ``team`` spreads the ``phases`` of a step over
workers, which share a ``mailbox``; ``shard`` runs forward and backward on a worker's rows with ``projection``,
``attention`` and ``kernels``; ``arena`` sums, clips and updates."""

from tinygpt.engines.vectorized.engine import VectorizedEngine

__all__ = ["VectorizedEngine"]
