"""Published measurements as JSON: all of them, by preset and by engine.

    api/index.json              the version of this format, the files, and the names that they go by
    api/latest.json             the chosen cell of every variant and preset on every machine
    api/presets/PRESET.json     the same of one preset
    api/engines/ENGINE.json     the same of one engine, with or without options

A cell has its step time with an interval, its ratio to the reference in the same run, and the machine. Nothing is here
that is not published. Fields are only added within a version; a number that is not known is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.arms.registry import REFERENCE
from bench.records.grouping import grouped
from bench.statistics.cells import CellSummary
from bench.statistics.chosen_runs import chosen_cells
from bench.statistics.noise import cell_verdict, ratio_verdict
from bench.statistics.ratios import Ratio
from sitegen.rows.cells import shown_cells
from sitegen.rows.machines import machine_label
from sitegen.rows.ratios import shown_pairs
from sitegen.rows.results import TRAINING_KINDS, Results
from sitegen.text.escape import json_text
from tinygpt.terminal.visible import one_line

SCHEMA = 1
FOLDER = "api/"
LATEST, INDEX = f"{FOLDER}latest.json", f"{FOLDER}index.json"


def write_measurements(published: Results, site: Path) -> None:
    """Write the files into a built site."""
    cells = [*shown_cells(published, TRAINING_KINDS), *chosen_cells(published.accelerator_cells)]
    cells = [cell for cell in cells if cell.n_rounds]
    ratios = _ratios(published)
    rows = [(cell, _row(cell, ratios.get(cell.arm))) for cell in cells]
    machines = {cell.machine_hash: {"label": _short_label(cell), **json.loads(cell.machine)} for cell in cells}
    presets = grouped(rows, lambda row: row[0].preset)
    engines = grouped(rows, lambda row: row[0].engine)
    files = {
        LATEST: rows,
        **{f"{FOLDER}presets/{file_name(name)}.json": found for name, found in presets.items()},
        **{f"{FOLDER}engines/{file_name(name)}.json": found for name, found in engines.items()},
    }
    for name, found in files.items():
        write_json(site / name, _document(found, machines))
    index = {
        "schema": SCHEMA,
        "reference": REFERENCE,
        "presets": [*presets],
        "engines": [*engines],
        "machines": {name: machine["label"] for name, machine in machines.items()},
        "files": [*files],
    }
    write_json(site / INDEX, index)


def file_name(name: str) -> str:
    """A name as a part of an address: letters, digits, dots, dashes and underscores, and ``~`` for each other one."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in ".-_") else "~" for letter in name)


def _ratios(published: Results) -> dict[tuple[str, ...], dict[str, Any]]:
    """Ratios to the reference by machine, preset and variant."""
    return {
        pair.cell.arm: ratio_fields(pair.ratio) | {"run": pair.cell.run_id, "verdict": ratio_verdict(pair.ratio)}
        for pair in shown_pairs(published, TRAINING_KINDS, (REFERENCE,))
    }


def ratio_fields(ratio: Ratio) -> dict[str, Any]:
    """A ratio with its interval."""
    found = {"ratio": ratio.speedup, "low": ratio.low, "high": ratio.high}
    return {name: _number(value) for name, value in found.items()} | {
        "rounds": ratio.n_rounds,
        "runs": len(ratio.runs) or 1,
    }


def _row(cell: CellSummary, ratio: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "engine": cell.engine,
        "variant": cell.variant,
        "kind": cell.kind,
        "preset": cell.preset,
        "parameters": cell.n_parameters,
        "step_seconds": {name: _number(value) for name, value in asdict(cell.seconds).items()},
        "tokens_per_second": _number(cell.tokens_per_second),
        "peak_memory_bytes": cell.peak_memory_bytes,
        "rounds": cell.n_rounds,
        "steps": cell.n_steps,
        "verdict": cell_verdict(cell),
        f"over_{REFERENCE}": ratio,
        "machine": cell.machine_hash,
        "protocol": cell.protocol_hash,
        "run": cell.run_id,
        "commit": cell.commit,
        "clean": cell.is_clean,
        "measured_at": cell.started_at.isoformat(),
        "command": one_line(cell.command, 300),
    }


def _document(
    rows: Iterable[tuple[CellSummary, dict[str, Any]]], machines: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """One file: the measurements, and the machines that they name."""
    found = [*rows]
    named = {cell.machine_hash for cell, _ in found}
    return {
        "schema": SCHEMA,
        "machines": {name: machine for name, machine in machines.items() if name in named},
        "measurements": [row for _, row in found],
    }


def _short_label(cell: CellSummary) -> str:
    return machine_label(cell).partition(": ")[2]


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file for programs; its folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_text(document), encoding="utf-8")
