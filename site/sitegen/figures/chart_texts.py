"""Quantities that a chart writes itself, as Vega expressions and as ticks.

Stored, the texts of hundreds of points would be most of its data.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygpt.terminal.quantities import TIME_UNITS


def duration_expression(value: str) -> str:
    """``quantities.duration`` as a Vega expression; ``value`` is the expression of a time above 0."""
    expression = ""
    for limit, scale, unit in reversed(TIME_UNITS):
        written = f"format({value} * {scale!r}, ',.3r') + ' {unit}'"
        expression = f"{value} < {limit!r} ? {written} : {expression}" if expression else written
    return f"({expression})"


def ratio_expression(value: str) -> str:
    """``quantities.ratio`` as a Vega expression; ``value`` is the expression of a ratio."""
    return f"(format({value}, ',.3r') + '×')"


def tick_duration(seconds: float) -> str:
    """A round time on an axis: 10 ms, 1 s, 10 min, 100 h."""
    for limit, scale, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (60.0, 1.0, "s"), (3600.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def value_expressions(write: Callable[[str], str]) -> dict[str, str]:
    """Vega expressions of ``value_text`` and ``interval``; ``write`` makes that of a number's text."""
    value, low, high = (write(f"datum.{name}") for name in ("value", "low", "high"))
    return {
        "value_text": f"isValid(datum.value) ? {value} : ''",
        "interval": f"isValid(datum.low) ? {low} + ' to ' + {high} : ''",
    }
