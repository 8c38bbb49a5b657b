"""Quantities as text: times, counts, bytes, ratios."""

from __future__ import annotations

import math


def format_duration(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes: 0:42, 12:05, 3 h 20 min."""
    whole = math.ceil(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60}:{whole % 60:02}"


def format_seconds(seconds: float) -> str:
    """A step's time: 13.4 ms, 3.05 s; a dash for NaN."""
    if math.isnan(seconds):
        return "–"
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def time_text(seconds: float) -> str:
    """A step's time: 13 ms, 2.31 s, 10.1 min, 6.2 h."""
    if seconds < 120:
        return format_seconds(seconds)
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def tokens_text(count: float) -> str:
    """A count of tokens in three digits: 940, 38.4 k, 1.52 M."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:.0f}"


def gibibytes(count: float) -> str:
    """Bytes as people compare them: 0.31 GiB, 12.4 GiB."""
    size = count / 2**30
    return f"{size:.2f} GiB" if size < 1 else f"{size:.1f} GiB"


def duration(seconds: float) -> str:
    """Whole seconds as ``0:07``, ``12:34`` or ``1:02:03``."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
