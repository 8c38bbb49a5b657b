"""Peers as the site shows them: rows of ``bench.statistics.peer_ratios`` in words, and the page's two tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, ROOFLINE, TORCH
from bench.statistics.peer_ratios import fastest, generation_standings, training_standings
from sitegen.rows.cached_frames import cached_frame
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results, records
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet

TRAINING_COMMAND = "invoke bench --suite peers"
GENERATION_COMMAND = "invoke bench --suite generation"
# What a number may name beside a peer: the fastest of PyTorch's four.
BEST_TORCH = "pytorch-best"


@cached_frame
def training_frame(results: Results) -> pd.DataFrame:
    """Step times beside the peers' and the roofline's, published rows first; see ``bench.statistics.peer_ratios``."""
    return _in_words(training_standings(results.runs, results.steps))


@cached_frame
def generation_frame(results: Results) -> pd.DataFrame:
    """The same for texts."""
    return _in_words(generation_standings(results.runs, results.steps))


def primary(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that prose quotes: of the first machine, published if anything is."""
    if rows.empty:
        return rows
    first = rows.iloc[0]
    return rows[(rows["origin"] == first["origin"]) & (rows["machine_hash"] == first["machine_hash"])]


def find(rows: pd.DataFrame, variant: str, preset: str) -> pd.Series | None:
    """The measured row of a variant, or of the best PyTorch, at a preset."""
    return fastest(rows[rows["preset"] == preset], TORCH if variant == BEST_TORCH else (variant,))


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns that tooltips and tables show, beside the numbers."""
    written = [_words(record) for record in records(rows)]
    names = ["state", "time_text", "speedup_text", "interval", "share_text", "evidence", "machine", "measured_on",
             "reason", "command"]  # fmt: skip
    return rows.drop(columns=[name for name in names if name in rows]).join(
        pd.DataFrame(written, index=rows.index, columns=names)
    )


def _words(row: dict[str, Any]) -> dict[str, str]:
    measured = row["n_rounds"] > 0 and pd.notna(row["seconds"])
    compared = measured and pd.notna(row["speedup"])
    rounds = int(row["n_rounds"])
    return {
        "state": "measured" if measured else "failed",
        "time_text": quantities.duration(row["seconds"]) if measured else "",
        "speedup_text": quantities.ratio(row["speedup"]) if compared else "",
        "interval": f"{quantities.ratio(row['speedup_low'])} to {quantities.ratio(row['speedup_high'])}"
        if compared
        else "",
        "share_text": quantities.percent(row["share"]) if measured and pd.notna(row["share"]) else "",
        "evidence": f"{rounds} {'rounds' if rounds != 1 else 'round'}",
        "machine": machine_label(row["machine"], row["machine_hash"], row["origin"]),
        "measured_on": quantities.day(row["started_at"]),
        "reason": one_line(str(row["reason"]), 300),
        "command": one_line(str(row["command"]), 300),
    }


# ---- tables --------------------------------------------------------------------------------------------


def training_table(results: Results) -> str:
    """Milliseconds of a step by preset: a column for each peer, then what follows from them."""
    rows = training_frame(results)
    if rows.empty:
        return nothing_yet("No peer is measured", TRAINING_COMMAND)
    names = [name for name in (*PEERS, ROOFLINE) if name in set(rows["variant"])]
    headings = ["preset", OURS, "over torch", "over PyTorch's best", "share of the roofline", *names,
                "peak memory: ours", "torch's", "PyTorch's best", "machine"]  # fmt: skip
    lines: list[list[TableCell | str]] = []
    for _, at_preset in rows.groupby(["origin", "machine_hash", "preset"], sort=False):
        by_variant = {str(row["variant"]): row for row in records(at_preset)}
        best = fastest(at_preset, TORCH)
        lines.append(
            [
                _preset_cell(at_preset),
                _value(by_variant.get(OURS), "seconds", quantities.milliseconds),
                _value(by_variant.get("torch"), "speedup", quantities.ratio),
                _value(None if best is None else dict(best), "speedup", quantities.ratio),
                _value(by_variant.get(OURS), "share", quantities.percent),
                *(_value(by_variant.get(name), "seconds", quantities.milliseconds) for name in names),
                *(
                    _value(row, "peak_memory_bytes", quantities.megabytes)
                    for row in (by_variant.get(OURS), by_variant.get("torch"), None if best is None else dict(best))
                ),
                str(at_preset.iloc[0]["machine"]),
            ]
        )
    return html_table("Milliseconds of a training step, against the peers", headings, lines)


def generation_table(results: Results) -> str:
    """Tokens per second by preset: a column for each generator, then our ratios."""
    rows = generation_frame(results)
    if rows.empty:
        return nothing_yet("No generation is measured", GENERATION_COMMAND)
    names = [name for name in (OURS, JAX_ON_CPU, *PEERS) if name in set(rows["variant"])]
    lines: list[list[TableCell | str]] = []
    for _, at_preset in rows.groupby(["origin", "machine_hash", "preset"], sort=False):
        by_variant = {str(row["variant"]): row for row in records(at_preset)}
        best = fastest(at_preset, TORCH)
        lines.append(
            [
                _preset_cell(at_preset),
                *(_value(by_variant.get(name), "tokens_per_second", quantities.significant) for name in names),
                _value(None if best is None else dict(best), "speedup", quantities.ratio),
                _value(by_variant.get("jax-textbook"), "speedup", quantities.ratio),
                str(at_preset.iloc[0]["machine"]),
            ]
        )
    headings = ["preset", *names, "over PyTorch's best", "over JAX", "machine"]
    return html_table("Tokens a second, against the peers", headings, lines)


def _preset_cell(rows: pd.DataFrame) -> TableCell:
    return TableCell(str(rows.iloc[0]["preset"]), sort=int(rows.iloc[0]["n_parameters"]))


def _value(row: dict[str, Any] | None, column: str, write: Any) -> TableCell:
    """A value, the status of a cell that failed, or a dash."""
    if row is None:
        return TableCell("–")
    if row["state"] == "failed":
        return TableCell(str(row["status"]))
    return TableCell(write(float(row[column])), sort=float(row[column])) if pd.notna(row[column]) else TableCell("–")
