"""Rivals in the terminal: times side by side, our ratio to PyTorch, and the share of the roofline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, ROOFLINE, TORCH
from bench.statistics.peer_ratios import fastest, generation_standings, training_standings
from tinygpt.terminal.quantities import DASH, milliseconds

_AS_INSTALLED = "torch"


def print_standings(console: Console, runs: pd.DataFrame, steps: pd.DataFrame) -> None:
    """Print how training and generation compare with the rivals; nothing where none was measured."""
    training, generation = training_standings(runs, steps), generation_standings(runs, steps)
    for rows, title, cells in (
        (training, "Against its peers: a training step in ms", _training_cells),
        (generation, "Against its peers: tokens a second, one text", _generation_cells),
    ):
        for (origin, _), group in rows.groupby(["origin", "machine_hash"], sort=False):
            _print_table(console, f"{title} ({origin})", group, cells)


Cells = Callable[[pd.DataFrame, Sequence[str]], dict[str, str]]


def _print_table(console: Console, title: str, rows: pd.DataFrame, cells: Cells) -> None:
    variants = [name for name in (OURS, JAX_ON_CPU, *PEERS) if name in set(rows["variant"])]
    by_preset = [(str(name), group) for name, group in rows.groupby("preset", sort=False)]
    lines = [(name, cells(group, variants)) for name, group in by_preset]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("preset", no_wrap=True)
    for heading in lines[0][1]:
        widest = max(map(len, heading.split()))  # broken between words, never inside one
        table.add_column(heading, justify="right", overflow="fold", min_width=widest)
    for name, line in lines:
        table.add_row(name, *line.values())
    console.print(table)
    console.print("best: PyTorch's fastest column; over: their time over ours, above 1 we are faster", style="dim")
    failed = rows[rows["reason"] != ""]
    for reason, group in failed.groupby("reason", sort=False):
        pairs = zip(group["variant"], group["preset"], strict=True)
        places = ", ".join(f"{variant} at {preset}" for variant, preset in pairs)
        console.print(f"{places}: {reason}", highlight=False, markup=False, soft_wrap=True)


def _training_cells(rows: pd.DataFrame, variants: Sequence[str]) -> dict[str, str]:
    """One preset's line: every time, then what follows from them."""
    by_variant = {str(row["variant"]): row for _, row in rows.iterrows()}
    floor, mine = by_variant.get(ROOFLINE), by_variant.get(OURS)
    best = fastest(rows, TORCH)
    return {
        **{name.replace("-", " "): _time(by_variant.get(name)) for name in variants},
        ROOFLINE: _time(floor),
        "GFLOP/s": _number(floor, "flops_per_second", lambda value: f"{value / 1e9:,.0f}"),
        "our share": _number(mine, "share", lambda value: f"{value:.0%}"),
        f"over {_AS_INSTALLED}": _ratio(by_variant.get(_AS_INSTALLED)),
        "over best": _ratio(best),
        "over JAX": _ratio(by_variant.get("jax-textbook")),
        "MB, ours / best": f"{_megabytes(mine)} / {_megabytes(best)}",
    }


def _generation_cells(rows: pd.DataFrame, variants: Sequence[str]) -> dict[str, str]:
    by_variant = {str(row["variant"]): row for _, row in rows.iterrows()}
    return {
        **{
            name.replace("-", " "): _number(by_variant.get(name), "tokens_per_second", lambda value: f"{value:,.0f}")
            for name in variants
        },
        "over best": _ratio(fastest(rows, TORCH)),
        "over JAX": _ratio(by_variant.get("jax-textbook")),
    }


def _number(row: pd.Series | None, column: str, write: Callable[[float], str]) -> str:
    """A value as text; a failed cell's status; a dash where nothing is known."""
    if row is None:
        return DASH
    if row["status"] != "ok":
        return str(row["status"])
    return write(float(row[column])) if pd.notna(row[column]) else DASH


def _time(row: pd.Series | None) -> str:
    return _number(row, "seconds", milliseconds)


def _ratio(row: pd.Series | None) -> str:
    return _number(row, "speedup", lambda value: f"{value:.2f}×")


def _megabytes(row: pd.Series | None) -> str:
    return _number(row, "peak_memory_bytes", lambda value: f"{value / 1e6:,.0f}")
