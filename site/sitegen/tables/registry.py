"""Generated tables: name → HTML, sortable in the page, readable without scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pandas as pd

from bench.arms.suites import SUITES
from bench.records.store import stored_runs
from sitegen.rows.accelerators import accelerator_cells
from sitegen.rows.cells import cell_frame, primary_cells
from sitegen.rows.results import Results, row_dicts
from sitegen.tables.accelerator_tables import (
    accelerator_table,
    kernels_table,
    precision_table,
    scaling_table,
    webgpu_table,
)
from sitegen.tables.by_hand import parameters_table, walk_html
from sitegen.tables.calibration_tables import calibration_table, noise_table
from sitegen.tables.clinic import CLINIC_TABLES
from sitegen.tables.comparisons import run_comparisons, runs_side_by_side
from sitegen.tables.contributed import contributed_table
from sitegen.tables.cost_tables import budget_table, cost_model_table, cost_terms_table, forecasts_table
from sitegen.tables.gallery import grades_table
from sitegen.tables.gallery_adapters import adapters_table
from sitegen.tables.history import changes_table, landmarks_table, runs_by_commit_table
from sitegen.tables.machine_tables import accelerators_table, processors_table, wanted_table
from sitegen.tables.micro import micro_table
from sitegen.tables.minutes import MINUTES_TABLES
from sitegen.tables.peer_tables import generation_table, training_table
from sitegen.tables.probe_table import probe_table
from sitegen.tables.samples import TRAIN_COMMAND, trained_samples
from sitegen.tables.speed_tables import failures_table, ratio_table
from sitegen.tables.status import accelerator_status, status_table
from sitegen.tables.token_products import token_table
from sitegen.tables.tokenizers import tokenizers_table
from sitegen.text.markup import TableCell, code_cell, html_table, nothing_yet, number_cell, status_cell
from tinygpt.corpora import CORPORA
from tinygpt.engines import ENGINES
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line


def presets_table() -> str:
    """The ladder of presets."""
    return html_table(
        "Presets",
        [
            {
                "preset": code_cell(name),
                "layers": number_cell(preset.model.n_layers, quantities.whole),
                "d_model": number_cell(preset.model.d_model, quantities.whole),
                "heads": number_cell(preset.model.n_heads, quantities.whole),
                "context": number_cell(preset.model.context_length, quantities.whole),
                "batch": number_cell(preset.train.batch_size, quantities.whole),
                "parameters": number_cell(preset.model.n_parameters, quantities.whole),
                "tokens a step": number_cell(preset.tokens_per_step, quantities.whole),
            }
            for name, preset in LADDER.items()
        ],
    )


def engines_table(results: Results) -> str:
    """The engines, and the number of presets at which each was measured on the kind of device that it is for."""
    cells = pd.concat([primary_cells(cell_frame(results)), accelerator_cells(results)])
    on_ladder = cells[(cells["state"] == "measured") & cells["preset"].isin([*LADDER])]
    measured = on_ladder.groupby("engine")["preset"].nunique()
    return html_table(
        "Engines",
        [
            {
                "engine": code_cell(name),
                "what it is": entry.summary,
                "options": ", ".join(entry.options) or "none",
                "presets measured": number_cell(int(measured.get(name, 0)), lambda count: f"{count} of {len(LADDER)}"),
            }
            for name, entry in ENGINES.items()
        ],
    )


def corpora_rows() -> list[dict[str, TableCell | str]]:
    """The corpora that have a name, with sizes, hashes and licences."""
    return [
        {
            "corpus": code_cell(name),
            "what it is": entry.summary,
            "size": "" if entry.n_bytes is None else quantities.megabytes(entry.n_bytes),
            "SHA-256": code_cell(entry.sha256[:12]) if entry.sha256 else "computed when it is read",
            "licence": entry.licence,
            "network": "once, then cached" if entry.needs_network else "none",
        }
        for name, entry in CORPORA.items()
    ]


def suites_rows() -> list[dict[str, TableCell | str]]:
    """The suites of the measuring pipeline."""
    return [
        {
            "suite": code_cell(suite.name),
            "what it measures": suite.summary,
            "rounds": number_cell(suite.rounds, str),
            "processes": number_cell(len(suite.cells), str),
        }
        for suite in SUITES.values()
    ]


def runs_table(results: Results, limit: int = 300) -> str:
    """The recorded runs, newest first, failures included."""
    runs = results.runs.sort_values("started_at", ascending=False).head(limit)
    if runs.empty:
        return nothing_yet("No runs are recorded", "invoke bench --suite quick")
    return html_table(
        "Runs",
        [
            {
                "started (UTC)": TableCell(f"{run.started_at:%Y-%m-%d %H:%M}", f"{run.started_at:%Y-%m-%dT%H:%M:%S}"),
                "kind": run.kind,
                "engine": run.variant,
                "preset": run.preset,
                "corpus": run.corpus,
                "status": status_cell(run.status),
                "rows": run.origin,
                "protocol": code_cell(run.protocol_hash[:8]),
                "to repeat it": code_cell(one_line(run.command, 200)),
            }
            for run in stored_runs(runs)
        ],
    )


def samples_overview_table(results: Results) -> str:
    """One row for each model that was trained to write: its last sample's losses and generation speed."""
    last = trained_samples(results)
    if last.empty:
        return nothing_yet("No samples are recorded", f"{TRAIN_COMMAND} --record")
    absent = "not recorded"
    return html_table(
        "Models that wrote samples",
        [
            {
                "corpus": sample["corpus"],
                "preset": sample["preset"],
                "engine": sample["engine"],
                "steps": number_cell(int(sample["step"]), quantities.whole),
                "training loss": number_cell(sample["train_loss"], quantities.loss, absent),
                "held-out loss": number_cell(sample["held_out_loss"], quantities.loss, absent),
                "tokens/s": number_cell(sample["tokens_per_second"], quantities.significant, absent),
                "first token": number_cell(sample["first_token_seconds"], quantities.duration, absent),
                "rows": sample["origin"],
            }
            for sample in row_dicts(last)
        ],
    )


# Tables of configuration, and of the step by hand, take no results.
TABLES: MappingProxyType[str, Callable[[Results], str]] = MappingProxyType(
    {
        "presets": lambda _: presets_table(),
        "engines": engines_table,
        "corpora": lambda _: html_table("Corpora", corpora_rows()),
        "suites": lambda _: html_table("Suites", suites_rows()),
        "by_hand": lambda _: walk_html(),
        "by_hand_parameters": lambda _: parameters_table(),
        "status": status_table,
        "status_accelerators": accelerator_status,
        "processors": processors_table,
        "accelerators": accelerators_table,
        "processors_wanted": wanted_table,
        "speedup": ratio_table,
        "failures": failures_table,
        "cost_terms": cost_terms_table,
        "cost_model": cost_model_table,
        "budget": budget_table,
        "grades": lambda _: grades_table(),
        "adapters": lambda _: adapters_table(),
        "forecasts": forecasts_table,
        "peers": training_table,
        "peers_generation": generation_table,
        "probes": probe_table,
        "accelerator": accelerator_table,
        "accelerator_kernels": kernels_table,
        "accelerator_precision": precision_table,
        "accelerator_scaling": scaling_table,
        "webgpu": webgpu_table,
        "runs": runs_table,
        "runs_side_by_side": runs_side_by_side,
        "run_comparisons": run_comparisons,
        "contributed": contributed_table,
        "history_changes": changes_table,
        "history_landmarks": lambda _: landmarks_table(),
        "history_runs": runs_by_commit_table,
        "noise": noise_table,
        "calibration": calibration_table,
        "samples_overview": samples_overview_table,
        "micro": micro_table,
        "token_products": token_table,
        "tokenizers": tokenizers_table,
    }
    | CLINIC_TABLES
    | MINUTES_TABLES
)
