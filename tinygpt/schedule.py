"""The learning rate of each update: warm-up, then a constant rate, then a fall.

    τ ≤ τ_w    η τ / (τ_w + 1)                               τ_w updates of warm-up
    τ > τ_w    η (end + (1 − end) · shape(fallen))           done = (τ − 1 − τ_w) / (τ_d − τ_w), at most 1
                                                             fallen = (done − from) / (1 − from), at least 0
    shape      ½ (1 + cos(π · fallen))                       cosine (Loshchilov & Hutter 2017)
               1 − fallen                                    linear

τ counts the updates from 1, the fall ends after τ_d updates, ``from`` is the share of ``done`` at which it begins, and
``end`` the share of η that is left. A rate that stays and then falls to 0 is also called warm-up, stable, decay.

A rate depends only on the settings and the update's number, so a resumed run follows the same curve. A run with a time
instead of a number of steps passes its own ``done``: the share of its time that has passed, also while it warms up.
"""

from __future__ import annotations

import math

from tinygpt.config import TrainConfig


def learning_rate_at(train: TrainConfig, step: int, done: float | None = None) -> float:
    """Return the rate of an update, counted from 0; ``done`` replaces the share of the updates that are done."""
    rate = train.learning_rate
    if step < train.warmup_steps:
        rate = rate * (step + 1) / (train.warmup_steps + 1)
    if not train.decay_steps:
        return rate
    if done is None:
        done = (step - train.warmup_steps) / max(1, train.decay_steps - train.warmup_steps)
    fallen = max(0.0, (min(1.0, done) - train.decay_from) / (1.0 - train.decay_from))
    if not fallen:
        return rate
    shape = 1.0 - fallen if train.decay_shape == "linear" else 0.5 * (1.0 + math.cos(math.pi * fallen))
    return rate * (train.decay_to + (1.0 - train.decay_to) * shape)


def falls(optimizer: str) -> bool:
    """Return whether the rate falls, by the text of :func:`optimizer_text`."""
    return " of the rate a" in optimizer  # at an update, or after some minutes


def optimizer_text(train: TrainConfig, minutes: float | None = None) -> str:
    """Describe the update rule: ``AdamW``, and all settings beyond a constant rate over single batches.

    Args:
        train: the settings.
        minutes: the time after which the rate has fallen, of a run by the clock.
    """
    parts = ["AdamW" if train.optimizer == "adamw" else "Muon for the blocks' matrices, AdamW for the rest"]
    if train.warmup_steps:
        parts.append(f"rate warmed up over {train.warmup_steps} updates")
    if train.decay_steps:
        end = f"at update {train.decay_steps}" if minutes is None else f"after {minutes:g} minutes"
        begin = f" from {train.decay_from:g} of the way" if train.decay_from else ""
        parts.append(f"{train.decay_shape}{begin} to {train.decay_to:g} of the rate {end}")
    if train.dropout:
        parts.append(f"dropout {train.dropout:g} on embeddings and residual branches")
    if train.accumulation > 1:
        parts.append(f"{train.accumulation} batches accumulated")
    if train.freezes:
        parts.append(f"LoRA {train.lora}" if train.lora else f"training {train.train_only} only")
    return "; ".join(parts)
