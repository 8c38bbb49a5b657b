"""Peers as the site shows them: ``bench.statistics.peer_ratios`` in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from bench.arms.registry import TORCH
from bench.statistics.noise import ratio_verdict
from bench.statistics.peer_ratios import PeerRatio, fastest
from sitegen.rows.cells import evidence_text, interval_columns
from sitegen.rows.machines import origin_words
from sitegen.rows.ratios import interval_text, ratio_evidence
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

TRAINING_COMMAND = "invoke bench --suite peers"
GENERATION_COMMAND = "invoke bench --suite generation"
# A number may name this in place of a peer: the fastest way to run PyTorch.
BEST_TORCH = "pytorch-best"
FASTEST_OF_OURS = "ours"  # likewise: the engine that peers are compared with

_COLUMNS = (
    "state", "variant", "ours", "preset", "n_parameters", "protocol_hash", "status",
    "seconds", "seconds_low", "seconds_high", "tokens_per_second",
    "speedup", "speedup_low", "speedup_high", "share", "time_text", "speedup_text", "interval",
    "share_text", "share_interval", "share_evidence", "evidence", "verdict", "reason", "origin", "machine", "command",
    "measured_on",
)  # fmt: skip


def peer_frame(rows: Iterable[PeerRatio]) -> pd.DataFrame:
    """The rows with the numbers and words that figures show, columns ``_COLUMNS``; absent numbers are NaN."""
    return pd.DataFrame([_words(row) for row in rows], columns=[*_COLUMNS])


def _words(row: PeerRatio) -> dict[str, Any]:
    cell, ratio, share = row.cell, row.ratio, row.of_roofline
    low, high = (ratio.low, ratio.high) if ratio else (math.nan, math.nan)
    return {
        "state": "measured" if cell.n_rounds else "failed",
        "variant": cell.variant,
        "ours": row.ours,
        "preset": cell.preset,
        "n_parameters": cell.n_parameters,
        "protocol_hash": cell.protocol_hash,
        "status": cell.status,
        **interval_columns("seconds", cell.seconds.median, cell.seconds.low, cell.seconds.high),
        "tokens_per_second": cell.tokens_per_second,
        **interval_columns("speedup", row.speedup, low, high),
        "share": row.share,
        "time_text": quantities.duration(cell.seconds.median) if cell.n_rounds else "",
        "speedup_text": quantities.ratio(row.speedup) if ratio else "",
        "interval": interval_text(ratio) if ratio else "",
        "share_text": "" if math.isnan(row.share) else quantities.percent(row.share),
        "share_interval": interval_text(share, quantities.percent) if share else "",
        "share_evidence": f"{evidence(row)}; share of {ratio_evidence(share, quantities.percent)}" if share else "",
        "evidence": f"{evidence(row)}; ratio of {ratio_evidence(ratio)}" if ratio else evidence(row),
        "verdict": ratio_verdict(ratio) if ratio and cell.variant != row.ours else "",
        "reason": one_line(row.reason, 300),
        **origin_words(cell),
    }


def evidence(row: PeerRatio) -> str:
    """The steps and rounds behind a time; nothing where the cell failed."""
    return evidence_text(row.cell) if row.cell.n_rounds else ""


def find(rows: Iterable[PeerRatio], variant: str, preset: str) -> PeerRatio | None:
    """Return the measured row of a variant, of the best PyTorch, or of our engine that peers are compared with."""
    at_preset = [row for row in rows if row.cell.preset == preset]
    ours = tuple(row.ours for row in at_preset[:1])
    return fastest(at_preset, {BEST_TORCH: TORCH, FASTEST_OF_OURS: ours}.get(variant, (variant,)))
