"""The places that the heads of a trained model look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sitegen.experiments.depth import LINES
from tinygpt.config import TrainConfig
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.gallery import load_gallery_model


@dataclass(frozen=True)
class Head:
    """A head, over the second half of a text.

    Attributes:
        layer, head: from 0.
        distance: mean distance back, in bytes.
        previous: mean weight of the byte before.
    """

    layer: int
    head: int
    distance: float
    previous: float


@lru_cache
def heads() -> tuple[Head, ...]:
    """Measure every head of the gallery's model of Shakespeare's bytes on two lines of a play."""
    model = load_gallery_model("shakespeare-bytes")
    tokens = np.frombuffer(LINES[: model.config.context_length], np.uint8).astype(np.int64)
    engine = NumpyEngine.create(model.config, TrainConfig(batch_size=1), weights=model.state_dict())
    rows = np.arange(len(tokens) // 2, len(tokens))
    back = rows[:, None] - np.arange(len(tokens))  # (rows, T)
    found = []
    for layer, (weights,) in enumerate(engine.attention_weights(tokens[None])):
        for head, a in enumerate(weights):
            distance = (a[rows] * back).sum(axis=-1).mean()
            found.append(Head(layer, head, float(distance), float(a[rows, rows - 1].mean())))
    return tuple(found)
