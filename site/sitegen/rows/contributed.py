"""Rows that people contributed, beside the published ones: the only place that reads both."""

from __future__ import annotations

import pandas as pd

from bench.arms.registry import OURS, REFERENCE
from bench.records.rows import PUBLISHED
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import Results


def machine_ratios(results: Results) -> pd.DataFrame:
    """The fast engine over the reference at every preset of every machine; none without a contributed machine."""
    contributed = _ratios(results.contributed) if results.contributed else pd.DataFrame()
    if contributed.empty:
        return pd.DataFrame()
    own = _ratios(results)
    return pd.concat([own[own["origin"] == PUBLISHED], contributed], ignore_index=True)


def _ratios(results: Results) -> pd.DataFrame:
    rows = ratio_frame(results)
    return rows[(rows["variant"] == OURS) & (rows["baseline"] == REFERENCE)]
