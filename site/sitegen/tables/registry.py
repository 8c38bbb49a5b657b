"""Generated tables: name → HTML, sortable in the page, readable without scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pandas as pd

from bench.arms.suites import SUITES
from bench.records.store import stored_runs
from sitegen.rows.accelerators import accelerator_cells, accelerator_table, scaling_table
from sitegen.rows.cells import cell_frame, primary_cells
from sitegen.rows.peers import generation_table, training_table
from sitegen.rows.results import Results, records
from sitegen.tables.comparisons import run_comparisons, runs_side_by_side
from sitegen.tables.cost_tables import budget_table, cost_model_table
from sitegen.tables.samples import written
from sitegen.tables.speed_tables import cost_terms_table, failures_table, ratio_table
from sitegen.tables.status import accelerator_status, status_table
from sitegen.text import quantities
from sitegen.text.escape import html_block, one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet, status_cell
from tinygpt.corpora import CORPORA
from tinygpt.engines import ENGINES
from tinygpt.presets import PRESETS


def presets_table(results: Results) -> str:
    """The ladder of presets, from the code that defines it."""
    del results  # presets are configuration, not measurements
    rows: list[list[TableCell | str]] = [
        [
            TableCell(name, html=f"<code>{name}</code>"),
            *(
                TableCell(quantities.whole(value), sort=value)
                for value in (
                    preset.model.n_layers,
                    preset.model.d_model,
                    preset.model.n_heads,
                    preset.model.context_length,
                    preset.train.batch_size,
                    preset.model.n_parameters,
                    preset.tokens_per_step,
                )
            ),
        ]
        for name, preset in PRESETS.items()
    ]
    return html_table(
        "Presets",
        ["preset", "layers", "d_model", "heads", "context", "batch", "parameters", "tokens a step"],
        rows,
    )


def engines_table(results: Results) -> str:
    """The registered engines, and at how many presets each was measured, on the kind of device that it is for."""
    cells = pd.concat([primary_cells(cell_frame(results)), accelerator_cells(results)])
    measured = cells[cells["state"] == "measured"].groupby("engine")["preset"].nunique()
    rows: list[list[TableCell | str]] = [
        [
            TableCell(name, html=f"<code>{html_block(name)}</code>"),
            entry.summary,
            TableCell(", ".join(entry.options) or "none"),
            TableCell(f"{int(measured.get(name, 0))} of {len(PRESETS)}", sort=int(measured.get(name, 0))),
        ]
        for name, entry in ENGINES.items()
    ]
    return html_table("Engines", ["engine", "what it is", "options", "presets measured"], rows)


def corpora_table(results: Results) -> str:
    """The corpora that can be named, with sizes, hashes and licences."""
    del results
    rows: list[list[TableCell | str]] = [
        [
            TableCell(name, html=f"<code>{html_block(name)}</code>"),
            entry.summary,
            "" if entry.n_bytes is None else quantities.megabytes(entry.n_bytes),
            TableCell("", html=f"<code>{entry.sha256[:12]}</code>") if entry.sha256 else "computed when it is read",
            entry.licence,
            "once, then cached" if entry.needs_network else "none",
        ]
        for name, entry in CORPORA.items()
    ]
    return html_table("Corpora", ["corpus", "what it is", "size", "SHA-256", "licence", "network"], rows)


def suites_table(results: Results) -> str:
    """The suites of the measuring pipeline, from the code that defines them."""
    del results
    rows: list[list[TableCell | str]] = [
        [
            TableCell(suite.name, html=f"<code>{html_block(suite.name)}</code>"),
            suite.summary,
            TableCell(str(suite.rounds), sort=suite.rounds),
            TableCell(str(len(suite.cells)), sort=len(suite.cells)),
        ]
        for suite in SUITES.values()
    ]
    return html_table("Suites", ["suite", "what it measures", "rounds", "processes"], rows)


def runs_table(results: Results, limit: int = 300) -> str:
    """Every recorded run, newest first: nothing is dropped here, failures included."""
    runs = results.runs.sort_values("started_at", ascending=False).head(limit)
    if runs.empty:
        return nothing_yet("No runs are recorded", "invoke bench --suite quick")
    rows: list[list[TableCell | str]] = [
        [
            TableCell(f"{run.started_at:%Y-%m-%d %H:%M}", sort=f"{run.started_at:%Y-%m-%dT%H:%M:%S}"),
            run.kind,
            run.variant,
            run.preset,
            run.corpus,
            status_cell(run.status),
            run.origin,
            TableCell("", html=f"<code>{html_block(run.protocol_hash[:8])}</code>"),
            TableCell("", html=f"<code>{html_block(one_line(run.command, 200))}</code>"),
        ]
        for run in stored_runs(runs)
    ]
    headings = ["started (UTC)", "kind", "engine", "preset", "corpus", "status", "rows", "protocol", "to repeat it"]
    return html_table("Runs", headings, rows)


def samples_overview_table(results: Results) -> str:
    """One line for each model that was trained to write: its last sample's losses and generation speed."""
    samples = written(results)
    samples = samples[samples["kind"] == "train"]
    if samples.empty:
        return nothing_yet("No samples are recorded", "invoke train --preset small --corpus shakespeare --record")
    last = samples.sort_values("step").groupby(["corpus", "preset", "engine", "run_id"], sort=False).tail(1)
    last = last.sort_values("step", ascending=False, kind="stable")
    rows: list[list[TableCell | str]] = [
        [
            sample["corpus"],
            sample["preset"],
            sample["engine"],
            TableCell(quantities.whole(sample["step"]), sort=int(sample["step"])),
            _number_cell(sample["train_loss"], quantities.loss),
            _number_cell(sample["held_out_loss"], quantities.loss),
            _number_cell(sample["tokens_per_second"], quantities.significant),
            _number_cell(sample["first_token_seconds"], quantities.duration),
            sample["origin"],
        ]
        for sample in records(last)
    ]
    headings = [
        "corpus",
        "preset",
        "engine",
        "steps",
        "training loss",
        "held-out loss",
        "tokens/s",
        "first token",
        "rows",
    ]
    return html_table("Models that wrote samples", headings, rows)


def _number_cell(value: Any, write: Callable[[float], str]) -> TableCell:
    if value is None or pd.isna(value):
        return TableCell("not recorded")
    return TableCell(write(float(value)), sort=float(value))


TABLES = MappingProxyType(
    {
        "presets": presets_table,
        "engines": engines_table,
        "corpora": corpora_table,
        "suites": suites_table,
        "status": status_table,
        "status_accelerators": accelerator_status,
        "speedup": ratio_table,
        "failures": failures_table,
        "cost_terms": cost_terms_table,
        "cost_model": cost_model_table,
        "budget": budget_table,
        "peers": training_table,
        "peers_generation": generation_table,
        "accelerator": accelerator_table,
        "accelerator_scaling": scaling_table,
        "runs": runs_table,
        "runs_side_by_side": runs_side_by_side,
        "run_comparisons": run_comparisons,
        "samples_overview": samples_overview_table,
    }
)
