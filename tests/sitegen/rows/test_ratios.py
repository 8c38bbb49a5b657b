from __future__ import annotations

import math

import pytest

from bench.statistics.ratios import Ratio
from sitegen.rows.ratios import interval_text, quoted_range, quoted_ratio
from tinygpt.terminal import quantities

FEW = Ratio(2.0, math.nan, math.nan, (1.8, 2.2), (2.0, 2.5))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Ratio(1.13, 0.938, 1.98, (1.1,) * 6, (1.13, 1.14)), "0.938 to 1.98× (unresolved)"),
        (Ratio(1.3, 1.2, 1.4, (1.3,) * 6, (1.29, 1.31)), "1.20 to 1.40×"),
        (Ratio(1.3, 1.2, 1.4, (1.3,) * 6), "1.20 to 1.40×"),
        (FEW, "1.80 to 2.50× (2 rounds each)"),
    ],
)
def test_prose_quotes_the_interval_of_the_tables(ratio: Ratio, text: str) -> None:
    assert quoted_ratio(ratio) == text
    if ratio.has_interval:
        assert text.startswith(quantities.between(ratio.low, ratio.high, quantities.ratio))
        assert interval_text(ratio).startswith(f"{ratio.low:.3g}"[:4])


def test_a_range_of_ratios_has_their_widest_ends() -> None:
    wide, high = Ratio(1.3, 1.05, 1.9, (1.3,) * 6), Ratio(1.5, 1.4, 1.6, (1.5,) * 6)
    assert quoted_range([wide, high]) == "1.05 to 1.90×"
    assert quoted_range([high, Ratio(1.2, 0.9, 1.3, (1.2,) * 6)]) == "0.900 to 1.60× (unresolved)"
