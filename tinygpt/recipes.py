"""Named recipes of training settings beyond shape and batch. A new recipe is one new row.

Measurements always use ``constant``, the reference's settings. ``cosine`` trains models that write well: a rate for the
model's width, a warm-up that protects the weights from the first updates, and a decay to a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.table import Table

WARMUP_STEPS = 100
_WARMUP_SHARE = 20  # a short run warms up over a twentieth of its updates

# The rate has to fall with the width (Yang et al. 2022); 2e-3 at a width of 128 was found by experiment.
_RATE_TIMES_WIDTH = 0.256


def preset_learning_rate(model: ModelConfig) -> float:
    """Return a good rate for a run with warm-up and decay at this width: 0.256 / D, rounded to two digits."""
    return float(f"{_RATE_TIMES_WIDTH / model.d_model:.1e}")


def warmup_for(steps: int) -> int:
    """Return the number of warm-up updates: 100, or a twentieth of a short run."""
    return min(WARMUP_STEPS, steps // _WARMUP_SHARE)


@dataclass(frozen=True)
class Recipe:
    """A row of the table.

    Attributes:
        name: the value of ``--recipe``.
        summary: one line for listings.
        learning_rate: None for the preset's own constant rate, 0 for :func:`preset_learning_rate`, or a rate.
        warms_up: the rate rises at first.
        decays: the rate falls along a cosine to a tenth by the last update.
        betas: AdamW's β₁ and β₂.
    """

    name: str
    summary: str
    learning_rate: float | None
    warms_up: bool
    decays: bool
    betas: tuple[float, float]

    def apply(self, train: TrainConfig, model: ModelConfig, steps: int) -> TrainConfig:
        """Return the settings for a run of ``steps`` updates; batch, decay, clipping and dropout do not change."""
        rate = train.learning_rate if self.learning_rate is None else self.learning_rate
        return replace(
            train,
            learning_rate=rate or preset_learning_rate(model),
            betas=self.betas,
            warmup_steps=warmup_for(steps) if self.warms_up else 0,
            decay_steps=steps if self.decays else 0,
        )


RECIPES = Table(
    "recipe",
    {
        recipe.name: recipe
        for recipe in (
            Recipe("constant", "the reference's constant rate; every measurement uses it", None, False, False,
                   (0.9, 0.95)),
            Recipe("warmup", "the preset's constant rate after a warm-up", None, True, False, (0.9, 0.95)),
            Recipe("cosine", "a rate for the model's width, warm-up, cosine to a tenth", 0.0, True, True, (0.9, 0.99)),
            Recipe("nanogpt", "nanoGPT's for characters: 1e-3, 100 updates of warm-up, cosine to a tenth", 1e-3, True,
                   True, (0.9, 0.99)),
        )
    },
)  # fmt: skip
"""Name → settings beyond the preset."""
