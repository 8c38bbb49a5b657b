"""The input of the page that compares: the Parquet files of runs, and an index of what can be compared.

    api/compare.json                        every side with its cells, every run with its files, spreads between runs
    api/rows/AREA/TABLE-RUN.parquet         the files themselves, as they are in the results folder

A side is a run, a commit or a machine (``bench.statistics.compare``). Its cells and the spread between runs follow from
all runs on record, so both are decided here; the page reads the files of two sides and computes the rest. Unlike the
other files for programs, these have local rows too where there are any, as the page's tables do.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.arms.labels import is_copy
from bench.records.grouping import grouped
from bench.records.store import table_file
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.compare import KINDS, THRESHOLD, side_of_commit, side_of_machine
from bench.statistics.controls import Record, is_unchanged, probe_rounds
from sitegen.api.measurements import FOLDER, SCHEMA, write_json
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from tinygpt.terminal.visible import one_line

INDEX = f"{FOLDER}compare.json"
ROWS = f"{FOLDER}rows/"
_READ = ("runs", "steps", "probes")


@dataclass(frozen=True)
class Side:
    """A side that a reader can choose: its kind, its name in links, a label, and its cells."""

    kind: str
    name: str
    label: str
    cells: list[CellSummary]


def write_comparisons(results: Results, folder: Path, site: Path) -> None:
    """Write the index and copy the files that it names.

    Args:
        results: all rows.
        folder: the results folder.
        site: the built folder.
    """
    cells = cell_summary(results.runs, results.steps, KINDS)
    record = Record(cells, probe_rounds(results.runs, results.probes))
    shown = [*sides(cell for cell in cells if not is_copy(cell.variant) and not is_unchanged(cell))]
    runs = {cell.run_id: cell for side in shown for cell in side.cells}
    index = {
        "schema": SCHEMA,
        "threshold": THRESHOLD,
        "runs": {run_id: _copied(cell, folder, site) for run_id, cell in runs.items()},
        "spreads": {
            machine: {"variance": record.between_runs(machine), "freedom": record.freedom(machine)}
            for machine in sorted({cell.machine_hash for cell in cells})
            if not math.isnan(record.between_runs(machine))
        },
        "sides": [_entry(side) for side in shown],
    }
    write_json(site / INDEX, index)


def sides(cells: Iterable[CellSummary]) -> Iterable[Side]:
    """Every run, commit and machine with a measured cell, newest first."""
    cells = sorted(cells, key=lambda cell: cell.started_at, reverse=True)
    timed = {cell.run_id for cell in cells if cell.n_rounds}
    cells = [cell for cell in cells if cell.run_id in timed]
    for run_id, of_run in grouped(cells, lambda cell: cell.run_id).items():
        first = of_run[-1]
        words = f"{first.started_at:%Y-%m-%d %H:%M}, {first.suite}, {_commit(first)}, {first.machine_hash[:6]}"
        yield Side("run", run_id, one_line(words), of_run)
    for commit, of_commit in grouped(cells, lambda cell: cell.commit).items():
        if commit and (found := side_of_commit(of_commit)):
            yield Side("commit", commit, f"{commit[:7]}, measured {found[0].started_at:%Y-%m-%d}", found)
    for machine, of_machine in grouped(cells, lambda cell: cell.machine_hash).items():
        if found := side_of_machine(of_machine):
            yield Side("machine", machine, machine_label(found[0]), found)


def _commit(cell: CellSummary) -> str:
    return "no commit" if cell.commit is None else cell.commit[:7] + (" with changes" if cell.dirty else "")


def _copied(cell: CellSummary, folder: Path, site: Path) -> dict[str, Any]:
    """Copy a run's files; return their addresses from the site's root, by table."""
    addresses = {}
    for table in _READ:
        source = table_file(folder, cell.origin, table, cell.run_id)
        if source.is_file():
            addresses[table] = ROWS + source.relative_to(folder).as_posix()
            target = site / addresses[table]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return addresses


def _entry(side: Side) -> dict[str, Any]:
    cells = [[cell.run_id, cell.preset, cell.protocol_hash, cell.variant] for cell in side.cells]
    machine = side.cells[0].machine_hash if side.kind != "commit" else None  # a commit may have been on several
    return {"kind": side.kind, "name": side.name, "label": side.label, "machine": machine, "cells": cells}
