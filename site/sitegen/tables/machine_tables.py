"""Tables of the machines on record: processors, accelerators, and the kinds of processors that are still wanted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from bench.arms.devices import of_accelerators
from bench.arms.registry import OURS, PEERS
from bench.records.grouping import grouped
from bench.records.rows import LOCAL, StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import CellSummary
from sitegen.rows.machines import accelerator_of, processor_of
from sitegen.rows.processor_kinds import PROCESSOR_KINDS, processor_kind
from sitegen.rows.results import Results
from sitegen.text.escape import html_attribute
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities

_STANDARD, _PEERS = "invoke bench --suite standard", "invoke bench --suite peers"


def processors_table(results: Results) -> str:
    """A row for each processor that computed something; its fingerprints differ in software or threads."""
    runs = stored_runs(results.processor_runs)
    if not runs:
        return nothing_yet("No processor has measured anything", _STANDARD)
    cells = grouped(results.cells, processor_of)
    return html_table(
        "Processors",
        [
            {
                "processor": name,
                "kind": processor_kind(json.loads(rows[0].machine)).name,
                "engines": _presets_cell(_engine_presets(cells.get((name, origin), []))),
                "peers": _presets_cell(_peer_presets(cells.get((name, origin), []))),
                **_counts(rows),
                "fingerprints": ", ".join(dict.fromkeys(run.machine_hash[:6] for run in rows)),
                "rows": origin,
            }
            for (name, origin), rows in grouped(runs, processor_of).items()
        ],
    )


def accelerators_table(results: Results) -> str:
    """A row for each accelerator, or number of them, that computed something."""
    runs = stored_runs(of_accelerators(results.runs))
    if not runs:
        return nothing_yet("No accelerator has measured anything", "invoke accelerator --out rows")
    return html_table(
        "Accelerators",
        [
            {
                "accelerator": name,
                "presets": _presets_cell({run.preset for run in rows if run.status == "ok"}),
                **_counts(rows),
                "fingerprints": ", ".join(dict.fromkeys(run.machine_hash[:6] for run in rows)),
                "rows": origin,
            }
            for (name, origin), rows in grouped(runs, accelerator_of).items()
        ],
    )


def wanted_table(results: Results) -> str:
    """Every kind of processors, the published rows that it has, and what is still wanted."""
    cells = grouped(
        (cell for cell in results.cells if cell.origin != LOCAL), lambda cell: processor_kind(json.loads(cell.machine))
    )
    return html_table(
        "Kinds of processors",
        [
            {
                "kind": kind.name,
                "for example": kind.examples,
                "engines in six rounds": _wanted_cell(_engine_presets(cells.get(kind, [])), _STANDARD),
                "peers in six rounds": _wanted_cell(_peer_presets(cells.get(kind, [])), _PEERS),
            }
            for kind in PROCESSOR_KINDS
        ],
    )


def _counts(rows: Collection[StoredRun]) -> dict[str, TableCell | str]:
    return {
        "processes": number_cell(len(rows), quantities.whole),
        "newest": max(quantities.day(run.started_at) for run in rows),
    }


def _engine_presets(cells: Iterable[CellSummary]) -> set[str]:
    """Presets at which our engine has an interval."""
    return {cell.preset for cell in cells if cell.variant == OURS and cell.has_interval}


def _peer_presets(cells: Iterable[CellSummary]) -> set[str]:
    """Presets at which a peer has an interval."""
    return {cell.preset for cell in cells if cell.variant in PEERS and cell.has_interval}


def _presets_cell(presets: Collection[str]) -> TableCell:
    count = sum(name in LADDER for name in presets)
    return TableCell(f"{count} of {len(LADDER)} presets" if count else "–", sort=count)


def _wanted_cell(presets: Collection[str], command: str) -> TableCell:
    if presets:
        return TableCell(", ".join(name for name in LADDER if name in presets), sort=len(presets))
    wanted = f'<span class="tg-state" title="{html_attribute(command)}">wanted</span>'
    return TableCell("wanted", sort=0, html=wanted)
