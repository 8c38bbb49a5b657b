"""Table cells of ratios: the ratio, its range in a second line, and all of its evidence in a tooltip."""

from __future__ import annotations

import math
from dataclasses import replace

from bench.statistics.noise import ratio_verdict
from bench.statistics.ratios import Ratio
from sitegen.rows.ratios import WITHIN_ROUNDING, Write, ratio_words
from sitegen.text.markup import TableCell, doubted_cell
from tinygpt.terminal import quantities

# Ratios at which a heat table's colour becomes stronger, the same above and below 1×.
HEAT_STEPS = (1.05, 1.15, 1.35, 1.75)


def ratio_cell(ratio: Ratio | None, write: Write = quantities.ratio, note: str = "") -> TableCell:
    """A ratio with its interval, or with the range of its rounds or runs where they are too few for one."""
    if ratio is None:
        return TableCell("–")
    if ratio.has_interval:
        doubt = ", unresolved" * (ratio_verdict(ratio) == "unresolved")
        ends = quantities.between(ratio.low, ratio.high, write)
        short = (ends if " to " in ends else WITHIN_ROUNDING) + doubt
    else:
        known = ratio.runs or ratio.rounds
        count = quantities.counted(len(known), "run" if ratio.runs else "round")
        spread = f"{quantities.between(min(known), max(known), write)}, " if len(known) > 1 else ""
        short = f"{spread}{count}, no interval"
    return doubted_cell(write(ratio.speedup), ratio.speedup, short + note, ratio_words(ratio, write))


def heat_cell(ratio: Ratio, note: str = "") -> TableCell:
    """The same on a colour that says how far from 1× the ratio is, and on which side; on none if it is unresolved."""
    cell = ratio_cell(ratio, note=note)
    if ratio_verdict(ratio) == "unresolved":
        return replace(cell, classes="tg-heat tg-heat--open")
    level = 1 + sum(abs(math.log(ratio.speedup)) > math.log(step) for step in HEAT_STEPS)
    return replace(cell, classes=f"tg-heat tg-heat--{'above' if ratio.speedup > 1 else 'below'}-{level}")


def heat_key() -> str:
    """The colours of :func:`heat_cell` in words and swatches."""
    levels = range(1, len(HEAT_STEPS) + 2)
    below, above = (
        "".join(f'<i class="tg-heat--{side}-{level}"></i>' for level in order)
        for side, order in (("below", reversed(levels)), ("above", levels))
    )
    return (
        f'<p class="tg-heat-key"><span>slower than the peer <span>{below}</span></span> 1× '
        f"<span><span>{above}</span> faster</span> "
        '<span><i class="tg-heat--open"></i> unresolved, or fewer than six rounds</span></p>'
    )
