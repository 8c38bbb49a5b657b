"""Comparison with the peers in the terminal: times, ratios to PyTorch and JAX, and the share of the roofline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan

import pandas as pd
from rich.console import Console

from bench.arms.registry import COMPARED, FAST, JAX_ON_CPU, PEERS, ROOFLINE, ROUNDED, TORCH
from bench.records.grouping import grouped
from bench.statistics.peer_ratios import PeerRatio, fastest, generation_ratios, training_ratios
from bench.terminal.tables import UNRESOLVED_NOTE, print_table, ratio_text
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import DASH, significant


def print_peers(console: Console, runs: pd.DataFrame, steps: pd.DataFrame) -> None:
    """Print the comparisons of training and generation with the peers; nothing if there are none."""
    for rows, title, texts in (
        (training_ratios(runs, steps), "Against its peers: a training step, ms", _training_texts),
        (generation_ratios(runs, steps), "Against its peers: generation, tokens per second", _generation_texts),
    ):
        for group in grouped(rows, lambda row: row.cell.scope).values():
            _print_table(console, f"{title} ({group[0].cell.origin})", group, texts)


_SPARE = ("MB, ours / best", "GFLOP/s", ROOFLINE)

Texts = Callable[[Sequence[PeerRatio], Sequence[str]], dict[str, str]]


def _print_table(console: Console, title: str, rows: Sequence[PeerRatio], texts: Texts) -> None:
    measured = {row.cell.variant for row in rows}
    variants = [name for name in (*FAST, *ROUNDED, JAX_ON_CPU, *PEERS) if name in measured]
    lines = {name: texts(group, variants) for name, group in grouped(rows, lambda row: row.cell.preset).items()}
    print_line(console, title, "bold")
    table = ([name, *line.values()] for name, line in lines.items())
    print_table(
        console, ("preset",), [*next(iter(lines.values()))], table, (*_SPARE, *map(_heading, reversed(variants[2:])))
    )
    print_line(console, UNRESOLVED_NOTE, "dim")
    text = "best: PyTorch's fastest column; over: their time over ours, above 1 if this project is faster"
    console.print(text, style="dim", highlight=False)
    for reason, group in grouped((row for row in rows if row.reason), lambda row: row.reason).items():
        arms = ", ".join(f"{row.cell.variant} at {row.cell.preset}" for row in group)
        print_line(console, f"{arms}: {reason}")


def _heading(variant: str) -> str:
    return variant.replace("-", " ")


def _training_texts(rows: Sequence[PeerRatio], variants: Sequence[str]) -> dict[str, str]:
    """Return the texts of one preset, by heading: the times, then values that follow from them."""
    by_variant = {row.cell.variant: row for row in rows}
    products, ours = by_variant.get(ROOFLINE), by_variant.get(rows[0].ours)
    best = fastest(rows, TORCH)
    return {
        **{_heading(name): _time(by_variant.get(name)) for name in variants},
        ROOFLINE: _time(products),
        "GFLOP/s": _number(products, lambda row: row.flops_per_second / 1e9, "{:,.0f}".format),
        "our share": _number(ours, lambda row: row.share, "{:.0%}".format),
        **_ratios(by_variant),
        "over best": _ratio(best),
        "MB, ours / best": f"{_megabytes(ours)} / {_megabytes(best)}",
    }


def _generation_texts(rows: Sequence[PeerRatio], variants: Sequence[str]) -> dict[str, str]:
    by_variant = {row.cell.variant: row for row in rows}
    rates = {
        _heading(name): _number(by_variant.get(name), lambda row: row.cell.tokens_per_second, "{:,.0f}".format)
        for name in variants
    }
    return rates | _ratios(by_variant) | {"over best": _ratio(fastest(rows, TORCH))}


def _number(row: PeerRatio | None, value: Callable[[PeerRatio], float], form: Callable[[float], str]) -> str:
    """Return a value as text, a failed cell's status, or a dash if there is no value."""
    if row is None:
        return DASH
    if row.cell.status != "ok":
        return row.cell.status
    return DASH if isnan(value(row)) else form(value(row))


def _time(row: PeerRatio | None) -> str:
    return _number(row, lambda row: row.cell.seconds.median * 1e3, significant)


def _ratios(by_variant: Mapping[str, PeerRatio]) -> dict[str, str]:
    return {heading: _ratio(by_variant.get(name)) for heading, name in COMPARED.items()}


def _ratio(row: PeerRatio | None) -> str:
    return ratio_text(row.ratio) if row and row.cell.status == "ok" else _number(row, lambda row: row.speedup, str)


def _megabytes(row: PeerRatio | None) -> str:
    return _number(row, lambda row: (row.cell.peak_memory_bytes or nan) / 1e6, "{:,.0f}".format)
