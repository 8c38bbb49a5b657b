"""Peers as the site shows them: ``bench.statistics.peer_ratios`` in words, and the page's two tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, ROOFLINE, TORCH
from bench.records.grouping import grouped
from bench.statistics.peer_ratios import PeerRatio, fastest
from sitegen.rows.machines import machine_label, origin_words
from sitegen.rows.ratios import interval_text
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet

TRAINING_COMMAND = "invoke bench --suite peers"
GENERATION_COMMAND = "invoke bench --suite generation"
# What a number may name beside a peer: the fastest of PyTorch's four.
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
        "seconds": cell.seconds.median,
        "seconds_low": cell.seconds.low,
        "seconds_high": cell.seconds.high,
        "tokens_per_second": cell.tokens_per_second,
        "speedup": row.speedup,
        "speedup_low": low,
        "speedup_high": high,
        "share": row.share,
        "time_text": quantities.duration(cell.seconds.median) if cell.n_rounds else "",
        "speedup_text": quantities.ratio(row.speedup) if ratio else "",
        "interval": interval_text(ratio) if ratio else "",
        "share_text": "" if math.isnan(row.share) else quantities.percent(row.share),
        "evidence": evidence(row),
        "reason": one_line(row.reason, 300),
        **origin_words(cell),
    }


def evidence(row: PeerRatio) -> str:
    """How many rounds a time rests on."""
    return f"{row.cell.n_rounds} {'rounds' if row.cell.n_rounds != 1 else 'round'}"


def find(rows: Iterable[PeerRatio], variant: str, preset: str) -> PeerRatio | None:
    """The measured row of a variant, or of the best PyTorch, at a preset."""
    at_preset = [row for row in rows if row.cell.preset == preset]
    return fastest(at_preset, TORCH if variant == BEST_TORCH else (variant,))


# ---- tables --------------------------------------------------------------------------------------------


def training_table(results: Results) -> str:
    """Milliseconds of a step by preset: a column for each peer, then what follows from them."""
    rows = results.training_ratios
    if not rows:
        return nothing_yet("No peer is measured", TRAINING_COMMAND)
    names = _measured_names(rows, (*PEERS, ROOFLINE))
    headings = ["preset", OURS, "over torch", "over PyTorch's best", "share of the roofline", *names,
                "peak memory: ours", "torch's", "PyTorch's best", "machine"]  # fmt: skip
    lines: list[list[TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        ours, torch, best = by_variant.get(OURS), by_variant.get("torch"), fastest(at_preset, TORCH)
        lines.append(
            [
                _preset_cell(at_preset[0]),
                _seconds_cell(ours),
                _speedup_cell(torch),
                _speedup_cell(best),
                _value(ours, lambda row: row.share, quantities.percent),
                *(_seconds_cell(by_variant.get(name)) for name in names),
                *(
                    _value(row, lambda row: row.cell.peak_memory_bytes or math.nan, quantities.megabytes)
                    for row in (ours, torch, best)
                ),
                machine_label(at_preset[0].cell),
            ]
        )
    return html_table("Milliseconds of a training step, against the peers", headings, lines)


def generation_table(results: Results) -> str:
    """Tokens per second by preset: a column for each generator, then our ratios."""
    rows = results.generation_ratios
    if not rows:
        return nothing_yet("No generation is measured", GENERATION_COMMAND)
    names = _measured_names(rows, (OURS, JAX_ON_CPU, *PEERS))
    lines: list[list[TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        rates = (
            _value(by_variant.get(name), lambda row: row.cell.tokens_per_second, quantities.significant)
            for name in names
        )
        best, jax = fastest(at_preset, TORCH), by_variant.get("jax-textbook")
        machine = machine_label(at_preset[0].cell)
        lines.append([_preset_cell(at_preset[0]), *rates, _speedup_cell(best), _speedup_cell(jax), machine])
    headings = ["preset", *names, "over PyTorch's best", "over JAX", "machine"]
    return html_table("Tokens a second, against the peers", headings, lines)


def _measured_names(rows: Iterable[PeerRatio], names: Iterable[str]) -> list[str]:
    known = {row.cell.variant for row in rows}
    return [name for name in names if name in known]


def _preset_cell(row: PeerRatio) -> TableCell:
    return TableCell(row.cell.preset, sort=row.cell.n_parameters)


def _seconds_cell(row: PeerRatio | None) -> TableCell:
    return _value(row, lambda row: row.cell.seconds.median, quantities.milliseconds)


def _speedup_cell(row: PeerRatio | None) -> TableCell:
    return _value(row, lambda row: row.speedup, quantities.ratio)


def _value(row: PeerRatio | None, value: Callable[[PeerRatio], float], write: Callable[[float], str]) -> TableCell:
    """A value, the status of a cell that failed, or a dash."""
    if row is None:
        return TableCell("–")
    if not row.cell.n_rounds:
        return TableCell(row.cell.status)
    number = value(row)
    return TableCell("–") if math.isnan(number) else TableCell(write(number), sort=number)
