"""The learning rate of each update: warm-up, then a cosine (Loshchilov & Hutter 2017) or a constant rate.

    τ ≤ τ_w    η τ / (τ_w + 1)                               τ_w updates of warm-up
    τ > τ_w    η (end + (1 − end) · ½ (1 + cos(π · done)))    done = (τ − 1 − τ_w) / (τ_d − τ_w), at most 1

τ counts the updates from 1, the cosine ends after τ_d updates, and ``end`` is the share of η that is left there.

A rate depends only on the settings and the update's number, so a resumed run follows the same curve.
"""

from __future__ import annotations

import math

from tinygpt.config import TrainConfig


def learning_rate_at(train: TrainConfig, step: int) -> float:
    """Return the rate of an update, counted from 0."""
    if step < train.warmup_steps:
        return train.learning_rate * (step + 1) / (train.warmup_steps + 1)
    if not train.decay_steps:
        return train.learning_rate
    progress = min(1.0, (step - train.warmup_steps) / max(1, train.decay_steps - train.warmup_steps))
    return train.learning_rate * (train.decay_to + (1.0 - train.decay_to) * 0.5 * (1.0 + math.cos(math.pi * progress)))


def optimizer_text(train: TrainConfig) -> str:
    """Describe the update rule: ``AdamW``, and all settings beyond a constant rate over single batches."""
    parts = ["AdamW"]
    if train.warmup_steps:
        parts.append(f"rate warmed up over {train.warmup_steps} updates")
    if train.decay_steps:
        parts.append(f"cosine to {train.decay_to:g} of the rate at update {train.decay_steps}")
    if train.dropout:
        parts.append(f"dropout {train.dropout:g} on embeddings and residual branches")
    if train.accumulation > 1:
        parts.append(f"{train.accumulation} batches accumulated")
    return "; ".join(parts)
