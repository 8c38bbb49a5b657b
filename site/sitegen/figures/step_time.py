"""The main figure's step times by themselves, for places that take a picture and no menu."""

from __future__ import annotations

from dataclasses import replace

from sitegen.figures.curve_rows import step_rows
from sitegen.figures.speedup import SPEEDUP

STEP_TIME = replace(
    SPEEDUP,
    name="step_time",
    title="Time of one training step",
    summary="Median over the measured steps of every round: forward, backward, clipping and the AdamW update of one "
    "batch. Both axes are logarithmic; bars are intervals, paler points are noisy or unresolved, crosses at the bottom "
    "are cells that failed. Hollow points on dashed lines were not measured: a cost model projects them. The dotted "
    "line is the matrix products alone.",
    rows=step_rows,
)
