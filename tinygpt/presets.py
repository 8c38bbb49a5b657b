"""Presets: the ladder, micro to behemoth, which suites measure, and further shapes; one row per model."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.table import Table


@dataclass(frozen=True)
class Preset:
    """A named model shape with its batch for training and measuring."""

    name: str
    model: ModelConfig
    train: TrainConfig

    @property
    def tokens_per_step(self) -> int:
        """B·T, the number of tokens in one training step."""
        return self.train.batch_size * self.model.context_length


# name: layers, d_model, heads, context, batch
_LADDER = {
    # of the "microgpt" programs, one file of plain Python each; theirs differ in vocabulary, norm and activation
    "micro": (1, 16, 4, 16, 1),
    "tiny": (2, 48, 3, 32, 16),
    "small": (3, 96, 3, 64, 16),
    "medium": (4, 128, 4, 96, 16),
    "large": (6, 192, 6, 128, 12),
    "xl": (8, 256, 8, 128, 8),
    "huge": (12, 256, 8, 256, 8),
    "massive": (14, 384, 12, 256, 4),
    "mega": (14, 384, 12, 512, 2),
    "behemoth": (24, 1280, 20, 512, 1),
}

LADDER = Table(
    "preset",
    {
        name: Preset(name, ModelConfig(layers, d_model, heads, context), TrainConfig(batch_size=batch))
        for name, (layers, d_model, heads, context, batch) in _LADDER.items()
    },
)
"""Name → preset, from the smallest to the largest; suites measure these."""

PRESETS = Table(
    "preset",
    {
        **LADDER,
        # nanoGPT's recipe for a CPU (its README), with bytes for characters
        "nanogpt": Preset("nanogpt", ModelConfig(4, 128, 4, 64), TrainConfig(batch_size=12)),
        # medium with a longer context, for runs of several minutes: as many bytes a step, each predicted from more
        "medium256": Preset("medium256", ModelConfig(4, 128, 4, 256), TrainConfig(batch_size=6)),
    },
)
"""Name → preset: the ladder, and further shapes for training and comparisons."""
