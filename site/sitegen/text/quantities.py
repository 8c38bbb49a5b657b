"""Measured quantities as text, the same in prose, tables and tooltips.

Two functions have a twin that returns a Vega expression, so that a chart writes the texts itself: stored, the texts of
hundreds of points would be most of its data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime


def significant(value: float, digits: int = 3) -> str:
    """A number rounded to ``digits`` significant digits, with thousands separators: 0.0712, 13.4, 1,240, 78,000."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


# (times below this many seconds, units in a second, name of the unit).
_UNITS = (
    (1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"), (math.inf, 1 / 3600, "h"),
)  # fmt: skip


def duration(seconds: float) -> str:
    """A time in a fitting unit: 85 µs, 13.4 ms, 2.31 s, 4.2 min, 3.1 h."""
    if seconds == 0:
        return "0 s"
    scale, unit = next((scale, unit) for limit, scale, unit in _UNITS if seconds < limit)
    return f"{significant(seconds * scale)} {unit}"


def duration_expression(value: str) -> str:
    """:func:`duration` as a Vega expression; ``value`` is the expression of a time above 0."""
    expression = ""
    for limit, scale, unit in reversed(_UNITS):
        written = f"format({value} * {scale!r}, ',.3r') + ' {unit}'"
        expression = f"{value} < {limit!r} ? {written} : {expression}" if expression else written
    return f"({expression})"


def tick_duration(seconds: float) -> str:
    """A round time on an axis: 10 ms, 1 s, 10 min, 100 h."""
    for limit, scale, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (60.0, 1.0, "s"), (3600.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def milliseconds(seconds: float) -> str:
    """A time in milliseconds at any size, so that the times of a column can be compared."""
    return f"{significant(seconds * 1e3)} ms"


def ratio(value: float) -> str:
    """A speedup: 0.85×, 6.1×, 1,240×."""
    digits = 2 if value < 100 else 3
    return f"{significant(value, digits if value >= 1 else 2)}×"


def ratio_expression(value: str) -> str:
    """:func:`ratio` as a Vega expression; ``value`` is the expression of a ratio."""
    return f"(format({value}, {value} < 100 ? ',.2r' : ',.3r') + '×')"


def percent(share: float, digits: int = 0) -> str:
    """A share: 66 %, 97.3 %."""
    return f"{share * 100:.{digits}f} %"


def signed_percent(share: float, digits: int = 0) -> str:
    """A relative error: +8 %, −33 %, 0 %."""
    text = f"{share * 100:+.{digits}f}"
    return f"{text[1:] if not float(text) else text.replace('-', '−')} %"


def learning_rate(rate: float) -> str:
    """A learning rate as people write it: 3e-4, 1.5e-3."""
    digits, exponent = f"{rate:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def megabytes(count: float) -> str:
    """Bytes in units of 10⁶ or 10⁹: 312 MB, 1.84 GB."""
    return f"{significant(count / 1e6)} MB" if count < 1e9 else f"{significant(count / 1e9)} GB"


def gflops(rate: float) -> str:
    """A rate of floating-point operations per second: 214 GFLOP/s."""
    return f"{significant(rate / 1e9)} GFLOP/s"


def whole(count: float) -> str:
    """A count in full, with thousands separators."""
    return f"{round(count):,}"


def loss(value: float) -> str:
    """A loss in nats per token."""
    return f"{value:.2f}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 round, 3 rounds."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def between(low: float, high: float, write: Callable[[float], str]) -> str:
    """A range, the unit once: 3.0 to 3.6×, 60 to 64 %; one text where both ends read alike."""
    first, last = write(low), write(high)
    unit = last.lstrip("0123456789.,")
    return last if first == last else f"{first.removesuffix(unit)} to {last}"


def listed(texts: Iterable[str]) -> str:
    """Texts in a row: a, b and c."""
    *before, last = texts
    return f"{', '.join(before)} and {last}" if before else last


def day(when: datetime) -> str:
    """A date, ISO 8601."""
    return f"{when:%Y-%m-%d}"


def age(when: datetime, now: datetime | None = None) -> str:
    """The time since ``when``, in the coarsest unit that is still informative."""
    now = now or datetime.now(UTC)
    hours = max(0.0, (now - when).total_seconds() / 3600)
    if hours < 1:
        return "within the hour"
    if hours < 48:
        return f"{hours:.0f} h ago"
    days = hours / 24
    return f"{days:.0f} days ago" if days < 60 else f"{days / 30.4:.0f} months ago"
