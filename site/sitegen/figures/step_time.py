"""The main figure's step times by themselves, for places that take a picture and no menu."""

from __future__ import annotations

from sitegen.figures.curve_rows import FIELDS, step_rows
from sitegen.figures.speedup import chart, describe

__all__ = ["FIELDS", "chart", "describe", "read"]

read = step_rows
