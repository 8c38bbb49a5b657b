"""The step times of the main figure, for places that show a picture without menus."""

from __future__ import annotations

from sitegen.figures.speedup import FIELDS, chart, describe
from sitegen.figures.speedup import step_headline as headline
from sitegen.rows.curves import step_rows

__all__ = ["FIELDS", "chart", "describe", "headline", "read"]

read = step_rows
