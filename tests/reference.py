"""The small model and the batches that PyTorch's committed answers belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import Batch, BatchSampler

REFERENCE_FILE = Path(__file__).parent / "data" / "torch_reference.safetensors"
REFERENCE_MODEL = ModelConfig(n_layers=2, d_model=24, n_heads=3, context_length=10)
REFERENCE_TRAIN = TrainConfig(batch_size=3, learning_rate=1e-2)  # large, so that ten steps move the weights
N_STEPS = 10


def reference_batches() -> list[Batch]:
    """Ten batches of random bytes, the same everywhere."""
    tokens = np.random.default_rng(9).integers(0, 256, size=4000).astype(np.uint8)
    sampler = BatchSampler(tokens, REFERENCE_TRAIN.batch_size, REFERENCE_MODEL.context_length, seed=10)
    return [sampler.batch(step) for step in range(N_STEPS)]
