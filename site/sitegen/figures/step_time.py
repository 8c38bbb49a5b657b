"""The step times of the main figure, for places that show a picture without menus."""

from __future__ import annotations

from sitegen.figures.curve_rows import FIELDS, step_rows
from sitegen.figures.speedup import chart, describe

__all__ = ["FIELDS", "chart", "describe", "read"]

read = step_rows
