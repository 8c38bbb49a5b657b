"""Quantities as text on a terminal: times, counts, bytes, ratios."""

from __future__ import annotations

import math

DASH = "–"  # for unknown values


def or_dash(value: float | None, form: str) -> str:
    """Format a number as :func:`format` does, or as a dash for None and NaN."""
    return DASH if value is None or math.isnan(value) else format(value, form)


def clock(seconds: float) -> str:
    """Format whole seconds: 0:07, 12:34, 1:02:03."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


# Units of times: (limit in seconds, units in a second, unit).
_UNITS = ((0.9995, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"), (math.inf, 1 / 3600, "h"))


def duration(seconds: float) -> str:
    """Format a measured time: 13.4 ms, 2.31 s, 10.1 min, 6.2 h; a dash for NaN."""
    return next((f"{seconds * scale:.3g} {unit}" for limit, scale, unit in _UNITS if seconds < limit), DASH)


def span(minutes: float) -> str:
    """Format a span of time: 1 minute, 2.5 minutes."""
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"


def milliseconds(seconds: float) -> str:
    """Format a time in milliseconds without the unit: 0.012, 3.41, 18.7, 132, 1,234."""
    value = seconds * 1e3
    decimals = 2 - math.floor(math.log10(max(abs(value), 1e-3)))
    return f"{value:,.{min(3, max(0, decimals))}f}"


def ratio(value: float) -> str:
    """Format a speedup: 0.85×, 6.1×, 132×, 1,240×."""
    return f"{value:.3g}×" if value < 999.5 else f"{value:,.0f}×"


def short_count(count: float) -> str:
    """Format a count with three digits: 940, 38.4 k, 1.52 M."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:.0f}"


def gibibytes(count: float) -> str:
    """Format a number of bytes: 0.31 GiB, 12.4 GiB."""
    size = count / 2**30
    return f"{size:.2f} GiB" if size < 1 else f"{size:.1f} GiB"
