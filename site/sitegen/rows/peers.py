"""Peers as the site shows them: ``bench.statistics.peer_ratios`` in words, and the page's two tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, ROOFLINE, TORCH
from bench.records.grouping import grouped
from bench.statistics.peer_ratios import PeerRatio, fastest
from sitegen.rows.cells import evidence_text, interval_columns
from sitegen.rows.machines import machine_label, origin_words
from sitegen.rows.ratios import interval_text, ratio_evidence, ratio_words
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.markup import TableCell, doubted_cell, html_table, nothing_yet, number_cell
from tinygpt.terminal.visible import one_line

TRAINING_COMMAND = "invoke bench --suite peers"
GENERATION_COMMAND = "invoke bench --suite generation"
# A number may name this in place of a peer: the fastest of PyTorch's four variants.
BEST_TORCH = "pytorch-best"

_COLUMNS = (
    "state", "variant", "preset", "n_parameters", "protocol_hash", "status", "seconds", "seconds_low", "seconds_high",
    "tokens_per_second", "speedup", "speedup_low", "speedup_high", "share", "time_text", "speedup_text", "interval",
    "share_text", "evidence", "machine", "measured_on", "reason", "command",
)  # fmt: skip


def peer_frame(rows: Iterable[PeerRatio]) -> pd.DataFrame:
    """The rows with the numbers and words that figures show, columns ``_COLUMNS``; absent numbers are NaN."""
    return pd.DataFrame([_words(row) for row in rows], columns=[*_COLUMNS])


def _words(row: PeerRatio) -> dict[str, Any]:
    cell, ratio = row.cell, row.ratio
    low, high = (ratio.low, ratio.high) if ratio else (math.nan, math.nan)
    return {
        "state": "measured" if cell.n_rounds else "failed",
        "variant": cell.variant,
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
        "evidence": f"{evidence(row)}; ratio of {ratio_evidence(ratio)}" if ratio else evidence(row),
        "reason": one_line(row.reason, 300),
        **origin_words(cell),
    }


def evidence(row: PeerRatio) -> str:
    """What a time rests on; nothing where the cell failed."""
    return evidence_text(row.cell) if row.cell.n_rounds else ""


def find(rows: Iterable[PeerRatio], variant: str, preset: str) -> PeerRatio | None:
    """Return the measured row of a variant, or of the best PyTorch, at a preset."""
    at_preset = [row for row in rows if row.cell.preset == preset]
    return fastest(at_preset, TORCH if variant == BEST_TORCH else (variant,))


# ---- tables --------------------------------------------------------------------------------------------


def training_table(results: Results) -> str:
    """Milliseconds of a step by preset: a column for each peer, and the ratios to ours."""
    rows = results.training_ratios
    if not rows:
        return nothing_yet("No peer is measured", TRAINING_COMMAND)
    names = _measured_names(rows, (*PEERS, ROOFLINE))
    lines: list[dict[str, TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        ours, torch, best = by_variant.get(OURS), by_variant.get("torch"), fastest(at_preset, TORCH)
        lines.append(
            {
                "preset": _preset_cell(at_preset[0]),
                OURS: _seconds_cell(ours),
                "over torch": _speedup_cell(torch),
                "over PyTorch's best": _speedup_cell(best),
                "share of the roofline": _share_cell(ours),
                **{name: _seconds_cell(by_variant.get(name)) for name in names},
                "peak memory: ours": _memory_cell(ours),
                "torch's": _memory_cell(torch),
                "PyTorch's best": _memory_cell(best),
                "machine": machine_label(at_preset[0].cell),
            }
        )
    return html_table("Milliseconds of a training step, against the peers", lines)


def generation_table(results: Results) -> str:
    """Tokens per second by preset: a column for each generator, and our ratios."""
    rows = results.generation_ratios
    if not rows:
        return nothing_yet("No generation is measured", GENERATION_COMMAND)
    names = _measured_names(rows, (OURS, JAX_ON_CPU, *PEERS))
    lines: list[dict[str, TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        rates = {
            name: _cell(by_variant.get(name), lambda row: row.cell.tokens_per_second, quantities.significant)
            for name in names
        }
        lines.append(
            {
                "preset": _preset_cell(at_preset[0]),
                **rates,
                "over PyTorch's best": _speedup_cell(fastest(at_preset, TORCH)),
                "over JAX": _speedup_cell(by_variant.get("jax-textbook")),
                "machine": machine_label(at_preset[0].cell),
            }
        )
    return html_table("Tokens a second, against the peers", lines)


def _measured_names(rows: Iterable[PeerRatio], names: Iterable[str]) -> list[str]:
    known = {row.cell.variant for row in rows}
    return [name for name in names if name in known]


def _preset_cell(row: PeerRatio) -> TableCell:
    return TableCell(row.cell.preset, sort=row.cell.n_parameters)


def _seconds_cell(row: PeerRatio | None) -> TableCell:
    return _cell(row, lambda row: row.cell.seconds.median, quantities.milliseconds)


def _speedup_cell(row: PeerRatio | None) -> TableCell:
    if row is None or not row.ratio:
        return _cell(row, lambda row: row.speedup, quantities.ratio)
    return doubted_cell(quantities.ratio(row.speedup), row.speedup, ratio_words(row.ratio))


def _share_cell(row: PeerRatio | None) -> TableCell:
    if row is None or not row.of_roofline:
        return _cell(row, lambda row: row.share, quantities.percent)
    return doubted_cell(quantities.percent(row.share), row.share, ratio_words(row.of_roofline, quantities.percent))


def _memory_cell(row: PeerRatio | None) -> TableCell:
    return _cell(row, lambda row: row.cell.peak_memory_bytes, quantities.megabytes)


def _cell(
    row: PeerRatio | None, value: Callable[[PeerRatio], float | None], write: Callable[[float], str]
) -> TableCell:
    """A value, the status of a cell that failed, or a dash."""
    if row is not None and not row.cell.n_rounds:
        return TableCell(row.cell.status)
    return number_cell(None if row is None else value(row), write)
