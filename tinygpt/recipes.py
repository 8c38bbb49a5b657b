"""Named recipes of training settings beyond shape and batch. A new recipe is one new row.

Measurements always use ``constant``, the reference's settings. ``--minutes`` uses ``muon``; ``stable`` is its
schedule with AdamW alone. ``docs/minutes.md`` has the ablation. ``--start-from`` uses ``finetune``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.table import Table

WARMUP_STEPS = 100
_WARMUP_SHARE = 20  # a short run warms up over a twentieth of its updates

# The rate has to fall with the width (Yang et al. 2022); sweeps at widths of 96, 128 and 192 found the best rates near
# 0.6, 0.5 and 0.4 over the width.
_RATE_TIMES_WIDTH = 0.5


# Trained weights are as far as a schedule that ends at a tenth of its rate has brought them, and a higher rate would
# undo what it found. At GPT-2's width of 768 a tenth is 6.5e-5; the usual rates there are 3e-5 to 1e-4.
_FINE_TUNING_SHARE = 0.1


def preset_learning_rate(model: ModelConfig, share: float = 1.0) -> float:
    """Return a good rate for a run with warm-up and decay at this width, or a share of it: 0.5 / D, to two digits."""
    return float(f"{share * _RATE_TIMES_WIDTH / model.d_model:.1e}")


def warmup_for(steps: int) -> int:
    """Return the number of warm-up updates: 100, or a twentieth of a short run."""
    return min(WARMUP_STEPS, steps // _WARMUP_SHARE)


@dataclass(frozen=True)
class Decay:
    """The fall of a rate until the last update; fields as in :class:`TrainConfig`."""

    shape: str
    begin: float
    to: float


# Name of ``--schedule`` → the fall; None for a rate that stays.
SCHEDULES: Mapping[str, Decay | None] = MappingProxyType(
    {"constant": None, "cosine": Decay("cosine", 0.0, 0.1), "stable": Decay("linear", 0.5, 0.0)}
)


def schedule_settings(name: str, steps: int) -> dict[str, Any]:
    """Return the fields of :class:`TrainConfig` that a schedule sets, for a run of ``steps`` updates."""
    fall = SCHEDULES[name]
    if fall is None:
        return {"decay_steps": 0}
    return {"decay_steps": steps, "decay_shape": fall.shape, "decay_from": fall.begin, "decay_to": fall.to}


@dataclass(frozen=True)
class Recipe:
    """A row of the table.

    Attributes:
        name: the value of ``--recipe``.
        summary: one line for listings.
        learning_rate: None for the preset's own constant rate, 0 for :func:`preset_learning_rate`, or a rate.
        share: of the rate for the width.
        warms_up: the rate rises at first.
        schedule: a name in ``SCHEDULES``.
        betas: β₁ and β₂.
        optimizer: ``adamw`` or ``muon``.
        weight_decay: λ.
    """

    name: str
    summary: str
    learning_rate: float | None = None
    warms_up: bool = True
    schedule: str = "constant"
    betas: tuple[float, float] = (0.9, 0.95)
    optimizer: str = "adamw"
    weight_decay: float = 0.1
    share: float = 1.0

    def apply(self, train: TrainConfig, model: ModelConfig, steps: int) -> TrainConfig:
        """Return the settings for a run of ``steps`` updates; batch, clipping and dropout do not change."""
        rate = train.learning_rate if self.learning_rate is None else self.learning_rate
        return replace(
            train,
            learning_rate=rate or preset_learning_rate(model, self.share),
            betas=self.betas,
            warmup_steps=warmup_for(steps) if self.warms_up else 0,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            **schedule_settings(self.schedule, steps),
        )


RECIPES = Table(
    "recipe",
    {
        recipe.name: recipe
        for recipe in (
            Recipe("constant", "the reference's constant rate; every measurement uses it", warms_up=False),
            Recipe("warmup", "the preset's constant rate after a warm-up"),
            Recipe("cosine", "a rate for the model's width, warm-up, cosine to a tenth", 0.0, schedule="cosine",
                   betas=(0.9, 0.99)),
            Recipe("stable", "a rate for the width that stays for half of the updates and falls to 0", 0.0,
                   schedule="stable", betas=(0.9, 0.99)),
            Recipe("muon", "the same with Muon for the blocks' matrices", 0.0, schedule="stable",
                   betas=(0.9, 0.99), optimizer="muon", weight_decay=0.3),
            Recipe("nanogpt", "nanoGPT's for characters: 1e-3, 100 updates of warm-up, cosine to a tenth", 1e-3,
                   schedule="cosine", betas=(0.9, 0.99)),
            Recipe("finetune", "cosine from a tenth of the rate: for weights that are trained already", 0.0,
                   schedule="cosine", betas=(0.9, 0.99), share=_FINE_TUNING_SHARE),
        )
    },
)  # fmt: skip
"""Name → settings beyond the preset."""
