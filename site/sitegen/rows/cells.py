"""Cells in words: one row per measured or failed cell, with everything that tooltips and tables show.

Cells of accelerators are in ``sitegen.rows.accelerators``. Peers are included only where ``kinds`` names them, so that
a statement about this project's engines never picks one up by accident.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.arms.labels import is_copy
from bench.arms.registry import FAST, ROOFLINE
from bench.arms.variants import kind_of
from bench.records.rows import PUBLISHED, Kind, StoredRun
from bench.statistics.cells import CellSummary
from bench.statistics.chosen_runs import chosen_cells, chosen_failures, quoted_origin
from bench.statistics.noise import cell_verdict, rounds_apart
from sitegen.rows.machines import ORIGIN_WORDS, origin_words
from sitegen.rows.results import ENGINE_KINDS, Results, cached_frame
from sitegen.text.palette import order_variants
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

# Columns of text that every cell has, for tooltips and tables.
CELL_TEXT = ("machine", "protocol", "evidence", "code", "verdict", "status", "reason", "command", "measured_on")

CELL_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "run_id", "engine", "variant", "preset", "n_parameters", "state",
    "seconds", "seconds_low", "seconds_high", "rounds", "tokens_per_second", "peak_bytes", "measured_at", *CELL_TEXT,
)  # fmt: skip


@cached_frame
def cell_frame(results: Results, kinds: Sequence[Kind] = ENGINE_KINDS) -> pd.DataFrame:
    """One row per measured cell and one per failed cell; a cell that did both has both rows.

    Each comes from its chosen run (``bench.statistics.chosen_runs``): published from a clean checkout, over rounds
    rather than steps, the newest. The table of runs has all the others.

    Args:
        kinds: a selection of ``TRAINING_KINDS``.

    Returns:
        columns ``CELL_COLUMNS``, ordered by model size and engine; ``state`` is "measured" or "failed", times are
        in seconds, absent numbers are NaN.
    """
    runs = results.processor_runs
    # A/A arms and the roofline are not engines that could fail.
    attempts = runs[~runs["variant"].map(is_copy).astype(bool) & (runs["engine"] != ROOFLINE)]
    return cells_in_words(of_kinds(results.cells, kinds), shown_cells(results, kinds), attempts, kinds)


def shown_cells(results: Results, kinds: Sequence[Kind] = ENGINE_KINDS) -> list[CellSummary]:
    """The cells of :func:`cell_frame`, each from its chosen run."""
    cells = of_kinds(results.cells, kinds)
    return chosen_cells(cells, results.complete_runs)


def of_kinds(cells: Iterable[CellSummary], kinds: Sequence[Kind]) -> list[CellSummary]:
    """Cells of some kinds, without A/A arms, which measure noise and are not engines."""
    return [cell for cell in cells if not is_copy(cell.variant) and kind_of(cell.variant) in kinds]


def cells_in_words(
    cells: Iterable[CellSummary], chosen: Sequence[CellSummary], attempts: pd.DataFrame, kinds: Sequence[Kind]
) -> pd.DataFrame:
    """Return the measured cells and the failures that add something to them, as columns ``CELL_COLUMNS``.

    Args:
        attempts: rows of ``runs`` whose failures may be shown, if they are of these ``kinds``.
    """
    by_key = {cell.key: cell for cell in cells}
    failures = chosen_failures(attempts, chosen, kinds)
    rows = [(cell.published_first, measured_cell(cell)) for cell in chosen if cell.n_rounds]
    rows += [(run.published_first, _failed_cell(by_key[run.key], run)) for run in failures if run.key in by_key]
    ranks = {name: rank for rank, name in enumerate(order_variants([words["variant"] for _, words in rows]))}
    rows.sort(key=lambda row: (row[0], ranks[row[1]["variant"]]))
    return pd.DataFrame([words for _, words in rows], columns=[*CELL_COLUMNS])


def interval_columns(name: str, value: float, low: float, high: float) -> dict[str, float]:
    """Columns of a value and of the ends of its interval."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def measured_cell(cell: CellSummary) -> dict[str, Any]:
    """Columns ``CELL_COLUMNS`` of a measured cell."""
    return _shared(cell, cell) | {
        "state": "measured",
        "status": "ok",
        "verdict": cell_verdict(cell),
        **interval_columns("seconds", cell.seconds.median, cell.seconds.low, cell.seconds.high),
        "rounds": cell.n_rounds,
        "tokens_per_second": cell.tokens_per_second,
        "evidence": evidence_text(cell),
        "reason": "",
    }


def _failed_cell(cell: CellSummary, failure: StoredRun) -> dict[str, Any]:
    return _shared(cell, failure) | {
        "state": "failed",
        "status": failure.status,
        "verdict": "",
        "reason": failure_reason(failure),
        "evidence": _failures_text(cell),
    }


def _shared(cell: CellSummary, row: CellSummary | StoredRun) -> dict[str, Any]:
    """Columns that measured and failed cells have in common; ``row`` is the measurement or the failure."""
    return {
        "machine_hash": cell.machine_hash,
        "protocol_hash": cell.protocol_hash,
        "run_id": cell.run_id,
        "engine": cell.engine,
        "variant": cell.variant,
        "preset": cell.preset,
        "n_parameters": cell.n_parameters,
        **origin_words(row),
        "protocol": protocol_label(cell.protocol, cell.protocol_hash),
        "code": code_text(row),
        "measured_at": row.started_at,
        "peak_bytes": float(row.peak_memory_bytes or math.nan),
    }


def evidence_text(cell: CellSummary) -> str:
    """The steps and rounds that a measured cell rests on, what is wrong with them, and its failed attempts."""
    rounds = f"{quantities.counted(cell.n_steps, 'step')} in {quantities.counted(cell.n_rounds, 'round')}"
    if cell.variant == ROOFLINE:
        rounds = f"{rounds}, the best of which counts"
    elif not cell.has_interval:
        rounds = f"{rounds} of {quantities.listed(map(quantities.duration, cell.rounds))}, no interval"
    failed = _failures_text(cell) if cell.n_failed else ""
    return ", ".join(filter(None, (rounds, rounds_apart(cell), failed)))


def _failures_text(cell: CellSummary) -> str:
    return f"{cell.n_failed} of {cell.n_attempts} attempts failed"


def code_text(row: CellSummary | StoredRun) -> str:
    """The code that ran: the commit in a checkout, and the options that the engine chose for itself."""
    commit = f"commit {row.commit[:7]}" if row.commit else "no commit recorded"
    changed = " with uncommitted changes" if row.dirty else ""
    resolved = row.resolved_variant
    return f"{commit}{changed}" + (f", as {one_line(resolved, 120)}" if resolved and resolved != row.variant else "")


def failure_reason(run: StoredRun) -> str:
    """The reason of a failure on one visible line: the last line of error output, else the signal or exit code."""
    if run.error_tail and run.error_tail.strip():
        return one_line(run.error_tail.strip().splitlines()[-1], 200)
    if run.signal:
        return one_line(f"ended by {run.signal}")
    return "no reason recorded" if run.exit_code is None else f"exit code {run.exit_code}"


def status_text(run: StoredRun) -> str:
    """A run's status, with the reason if it failed."""
    return run.status if run.status == "ok" else f"{run.status}: {failure_reason(run)}"


def protocol_label(protocol: str, protocol_hash: str) -> str:
    """A protocol in words, with the start of its hash."""
    fields = json.loads(protocol)
    counts_text = f"{fields.get('measured_steps', '?')} steps after {fields.get('warmup_steps', '?')} warm-up"
    return one_line(f"{counts_text}, {fields.get('corpus', '?')}, {protocol_hash[:8]}")


def stack_failures(rows: pd.DataFrame, place: Sequence[str] = ("machine", "n_parameters")) -> pd.Series:
    """Number the failed rows at each place of a view (0, 1, …), by default a machine's preset; 0 where none failed."""
    failed = rows["state"] == "failed"
    slots = pd.Series(0, index=rows.index, dtype=int)
    slots[failed] = rows[failed].groupby([*place]).cumcount()
    return slots


# ---- the machine that pages open with, and the cells that prose quotes -----------------------------------


def machine_order(cells: pd.DataFrame) -> list[str]:
    """The machines of some cells, the one that pages open with and quote first.

    That is the one on which our fastest engine was measured at most presets; of equals, the one with more presets of
    the next engine, then with more cells, then the newest.
    """
    measured = cells[cells["state"] == "measured"]

    def rank(machine: str) -> tuple[object, ...]:
        own = measured[measured["machine"] == machine]
        presets = own.groupby("variant")["preset"].nunique()
        return *(int(presets.get(name, 0)) for name in reversed(FAST)), len(own), own["measured_on"].max()

    return sorted(dict.fromkeys(cells["machine"]), key=rank, reverse=True)


def machine_ranks(results: Results) -> dict[str, int]:
    """Every machine that measured a training step of ours, and its place in the order of :func:`machine_order`."""
    return {machine: rank for rank, machine in enumerate(machine_order(cell_frame(results)))}


def machine_by_machine(rows: pd.DataFrame, results: Results, cells: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows in the order in which a figure offers their machines: a reader's own first; rows without one last.

    ``cells`` decide it, by default those of training steps.
    """
    order = machine_order(cell_frame(results) if cells is None else cells)
    ranks, published = {name: rank for rank, name in enumerate(order)}, f"{ORIGIN_WORDS[PUBLISHED]}: "
    machines = rows["machine"].fillna("").astype(str).tolist()
    place = {
        name: (not name or name.startswith(published), ranks.get(name, len(ranks)), -count)
        for name, count in Counter(machines).items()
    }
    numbers = sorted(range(len(rows)), key=lambda number: place[machines[number]])
    return rows.iloc[numbers].reset_index(drop=True)


def primary_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that prose quotes: published ones if there are any, of the first machine."""
    chosen = published_else_local(cells)
    return chosen if chosen.empty else chosen[chosen["machine"] == machine_order(chosen)[0]]


def published_else_local(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that prose may quote: published ones if there are any, else local ones."""
    return frame[frame["origin"] == quoted_origin(frame["origin"])]


def of_scope(frame: pd.DataFrame, quoted: pd.DataFrame) -> pd.DataFrame:
    """The rows of the area and the machine of quoted cells; none if no cell is quoted."""
    if quoted.empty:
        return frame.head(0)
    first = quoted.iloc[0]
    return frame[(frame["origin"] == first["origin"]) & (frame["machine_hash"] == first["machine_hash"])]
