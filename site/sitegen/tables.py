"""Generated tables: name → HTML, sortable in the page, readable without scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pandas as pd

from sitegen import quantities
from sitegen.cost_tables import budget_table, cost_model_table
from sitegen.escape import html_block, one_line
from sitegen.figures import FIGURES, Figure
from sitegen.frames import Results, cell_frame, primary_cells, records
from sitegen.markup import Cell, html_table, nothing_yet, status_cell
from sitegen.rivals import generation_table, training_table
from sitegen.status import status_table
from tinygpt.corpora import CORPORA
from tinygpt.engines import ENGINES
from tinygpt.presets import PRESETS


def figure_table(figure: Figure, rows: pd.DataFrame, limit: int = 400) -> str:
    """The rows behind a figure, as its columns write them."""
    cells: list[list[Cell | str]] = [
        [_figure_cell(column.write, record[column.field]) for column in figure.columns]
        for record in records(rows.head(limit))
    ]
    return html_table(f"Rows behind the figure: {figure.title}", [column.heading for column in figure.columns], cells)


def _figure_cell(write: Callable[[Any], str], value: Any) -> Cell:
    number = isinstance(value, int | float) and value == value
    return Cell(one_line(write(value), 400), sort=value if number else None)


def presets_table(results: Results) -> str:
    """The ladder of presets, from the code that defines it."""
    del results  # presets are configuration, not measurements
    rows: list[list[Cell | str]] = [
        [
            Cell(name, html=f"<code>{name}</code>"),
            *(
                Cell(quantities.whole(value), sort=value)
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
    """The registered engines, and at how many presets each was measured."""
    cells = primary_cells(cell_frame(results))
    measured = cells[cells["state"] == "measured"].groupby("engine")["preset"].nunique()
    rows: list[list[Cell | str]] = [
        [
            Cell(name, html=f"<code>{html_block(name)}</code>"),
            entry.summary,
            Cell(", ".join(entry.options) or "none"),
            Cell(f"{int(measured.get(name, 0))} of {len(PRESETS)}", sort=int(measured.get(name, 0))),
        ]
        for name, entry in ENGINES.items()
    ]
    return html_table("Engines", ["engine", "what it is", "options", "presets measured"], rows)


def corpora_table(results: Results) -> str:
    """The corpora that can be named, with sizes, hashes and licences."""
    del results
    rows: list[list[Cell | str]] = [
        [
            Cell(name, html=f"<code>{html_block(name)}</code>"),
            entry.summary,
            "" if entry.n_bytes is None else quantities.megabytes(entry.n_bytes),
            Cell("", html=f"<code>{entry.sha256[:12]}</code>") if entry.sha256 else "computed when it is read",
            entry.licence,
            "once, then cached" if entry.needs_network else "none",
        ]
        for name, entry in CORPORA.items()
    ]
    return html_table("Corpora", ["corpus", "what it is", "size", "SHA-256", "licence", "network"], rows)


def runs_table(results: Results, limit: int = 300) -> str:
    """Every recorded run, newest first: nothing is dropped here, failures included."""
    runs = results.runs.sort_values("started_at", ascending=False).head(limit)
    if runs.empty:
        return nothing_yet("No runs are recorded", "invoke bench --suite quick")
    rows: list[list[Cell | str]] = [
        [
            Cell(f"{run['started_at']:%Y-%m-%d %H:%M}", sort=f"{run['started_at']:%Y-%m-%dT%H:%M:%S}"),
            run["kind"],
            run["variant"],
            run["preset"],
            run["corpus"],
            status_cell(run["status"]),
            run["origin"],
            Cell("", html=f"<code>{html_block(run['protocol_hash'][:8])}</code>"),
            Cell("", html=f"<code>{html_block(one_line(run['command'], 200))}</code>"),
        ]
        for run in records(runs)
    ]
    headings = ["started (UTC)", "kind", "engine", "preset", "corpus", "status", "rows", "protocol", "to repeat it"]
    return html_table("Runs", headings, rows)


def samples_overview_table(results: Results) -> str:
    """One line for each model that wrote samples: its last sample's losses and generation speed."""
    samples = results.samples
    if samples.empty:
        return nothing_yet("No samples are recorded", "invoke train --preset small --corpus shakespeare")
    last = samples.sort_values("step").groupby(["corpus", "preset", "engine", "run_id"], sort=False).tail(1)
    last = last.sort_values("step", ascending=False, kind="stable")
    rows: list[list[Cell | str]] = [
        [
            sample["corpus"],
            sample["preset"],
            sample["engine"],
            Cell(quantities.whole(sample["step"]), sort=int(sample["step"])),
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


def _number_cell(value: Any, write: Callable[[float], str]) -> Cell:
    if value is None or pd.isna(value):
        return Cell("not recorded")
    return Cell(write(float(value)), sort=float(value))


def speedup_table(results: Results) -> str:
    """The ratios behind the speedup figure, for every baseline."""
    figure = FIGURES["speedup"]
    rows = figure.rows(results)
    if rows.empty:
        return nothing_yet("No speedup can be formed", figure.command)
    return figure_table(figure, rows)


TABLES = MappingProxyType(
    {
        "presets": presets_table,
        "engines": engines_table,
        "corpora": corpora_table,
        "status": status_table,
        "speedup": speedup_table,
        "cost_model": cost_model_table,
        "budget": budget_table,
        "peers": training_table,
        "peers_generation": generation_table,
        "runs": runs_table,
        "samples_overview": samples_overview_table,
    }
)
