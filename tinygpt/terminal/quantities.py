"""Quantities as text, the same on a terminal and on the site's pages: times, counts, bytes, ratios, shares.

Measured times, rates and ratios have three significant digits. With two, 1.03 would read as 1.0, and a difference as
large as the noise between runs could not be seen; a fourth is below that noise. Intervals show how many digits hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

DASH = "–"  # for unknown values


def or_dash(value: float | None, form: str) -> str:
    """Format a number as :func:`format` does, or as a dash for None and NaN."""
    return DASH if value is None or math.isnan(value) else format(value, form)


def significant(value: float, digits: int = 3) -> str:
    """A number rounded to ``digits`` significant digits, with thousands separators: 0.0712, 13.4, 1,240, 78,000."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded value: 9.999 is 10.0
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def clock(seconds: float) -> str:
    """Format whole seconds: 0:07, 12:34, 1:02:03."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


# (times below this many seconds, units in a second, name of the unit); 0.9996 s rounds to 1.00 s.
TIME_UNITS = (
    (0.9995e-3, 1e6, "µs"), (0.9995, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min"), (math.inf, 1 / 3600, "h"),
)  # fmt: skip


def duration(seconds: float) -> str:
    """A time in a fitting unit: 85.0 µs, 13.4 ms, 2.31 s, 4.20 min, 3.10 h; a dash for NaN."""
    if seconds == 0:
        return "0 s"
    fitting = (f"{significant(seconds * scale)} {unit}" for limit, scale, unit in TIME_UNITS if seconds < limit)
    return next(fitting, DASH)


def durations(low: float, high: float) -> str:
    """A range of times, both in the unit of the longer one: 1.95 to 2.18 min."""
    scale, unit = next((scale, unit) for limit, scale, unit in TIME_UNITS if high < limit)
    return between(low, high, lambda seconds: f"{significant(seconds * scale)} {unit}")


def span(minutes: float) -> str:
    """Format a span of time: 1 minute, 2.5 minutes."""
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"


def milliseconds(seconds: float) -> str:
    """A time in milliseconds at any size, so that the times of a column can be compared."""
    return f"{significant(seconds * 1e3)} ms"


def ratio(value: float) -> str:
    """A speedup: 0.850×, 6.13×, 1,240×."""
    return f"{significant(value)}×"


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


def megabytes(count: float) -> str:
    """Bytes in units of 10⁶ or 10⁹: 312 MB, 1.84 GB."""
    return f"{significant(count / 1e6)} MB" if count < 9.995e8 else f"{significant(count / 1e9)} GB"


def gflops(rate: float) -> str:
    """A rate of floating-point operations per second: 214 GFLOP/s."""
    return f"{significant(rate / 1e9)} GFLOP/s"


def whole(count: float) -> str:
    """A count in full, with thousands separators."""
    return f"{round(count):,}"


def loss(value: float) -> str:
    """A loss in nats per byte."""
    return f"{value:.2f}"


def losses(per_byte: float, bytes_per_token: float, digits: int = 4) -> str:
    """A loss in nats per byte and, where a token has several bytes, per token; a dash for NaN."""
    if math.isnan(per_byte):
        return DASH
    text = f"{per_byte:.{digits}f}"
    return text if bytes_per_token == 1.0 else f"{text} a byte ({per_byte * bytes_per_token:.{digits}f} a token)"


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
