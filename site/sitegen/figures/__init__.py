"""The registry of figures: name → record. A new figure is one new file and one new row."""

from __future__ import annotations

from types import MappingProxyType

from sitegen.figures.accelerator import ACCELERATOR
from sitegen.figures.base import Column, Figure
from sitegen.figures.breakdown import BREAKDOWN
from sitegen.figures.generation import GENERATION
from sitegen.figures.kernel_forms import KERNEL_FORMS
from sitegen.figures.learning_rate import LEARNING_RATE
from sitegen.figures.loss import LOSS
from sitegen.figures.memory import MEMORY
from sitegen.figures.peers import PEERS_FIGURE
from sitegen.figures.race import RACE
from sitegen.figures.roofline import ROOFLINE_FIGURE
from sitegen.figures.speedup import SPEEDUP
from sitegen.figures.step_time import STEP_TIME
from sitegen.figures.variants import VARIANTS

__all__ = ["FIGURES", "Column", "Figure"]

FIGURES = MappingProxyType(
    {
        figure.name: figure
        for figure in (
            SPEEDUP, STEP_TIME, ROOFLINE_FIGURE, BREAKDOWN, KERNEL_FORMS, VARIANTS, MEMORY, GENERATION, LOSS,
            PEERS_FIGURE, ACCELERATOR, RACE, LEARNING_RATE,
        )
    }
)  # fmt: skip
