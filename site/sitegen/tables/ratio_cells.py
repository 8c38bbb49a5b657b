"""Table cells of ratios: the ratio, its range in a second line, and all of its evidence in a tooltip."""

from __future__ import annotations

from bench.statistics.noise import ratio_verdict
from bench.statistics.ratios import Ratio
from sitegen.rows.ratios import Write, ratio_words
from sitegen.text.markup import TableCell, doubted_cell
from tinygpt.terminal import quantities


def ratio_cell(ratio: Ratio | None, write: Write = quantities.ratio) -> TableCell:
    """A ratio with its interval, or with the range of its rounds or runs where they are too few for one."""
    if ratio is None:
        return TableCell("–")
    if ratio.has_interval:
        doubt = ", unresolved" * (ratio_verdict(ratio) == "unresolved")
        short = quantities.between(ratio.low, ratio.high, write) + doubt
    else:
        known = ratio.runs or ratio.rounds
        count = quantities.counted(len(known), "run" if ratio.runs else "round")
        spread = f"{quantities.between(min(known), max(known), write)}, " if len(known) > 1 else ""
        short = f"{spread}{count}, no interval"
    return doubted_cell(write(ratio.speedup), ratio.speedup, short, ratio_words(ratio, write))
