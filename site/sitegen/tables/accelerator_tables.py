"""Tables of the accelerators' page: every engine's step on each accelerator, and several devices beside one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import pandas as pd

from bench.arms.devices import ACCELERATED
from bench.arms.kernel_parts import DEVICE_PARTS
from bench.arms.registry import FLOAT32
from bench.arms.variants import precision_of
from bench.records.rows import Place
from bench.statistics.accelerator_ratios import (
    EAGER,
    WEBGPU,
    arithmetic,
    batch_size,
    context_length,
    devices,
    other_pairs,
    scaling,
    torch_pairs,
    webgpu_pairs,
)
from bench.statistics.cells import CellSummary
from bench.statistics.device_steps import device_steps
from bench.statistics.ratios import Speedup
from sitegen.rows.accelerators import COMMAND, ON_ACCELERATOR, accelerator_lines, dispatch_by_preset, step_flops
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import label_of, order_series
from sitegen.tables.facets import facets
from sitegen.tables.ratio_cells import ratio_cell
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities

PRECISION_COMMAND = (
    "invoke accelerator --out rows --engines 'jax[dispatch=3,precision=bfloat16],torch-cuda[precision=bfloat16],"
    "torch-cuda-compile-graphs[precision=bfloat16]'"
)


def accelerator_table(results: Results) -> str:
    """A table of float32 for each accelerator, the quoted one first."""
    lines = accelerator_lines(results)
    own = lines[(lines["device"] == ON_ACCELERATOR) & (lines["state"] == "measured")]
    own = own[own["variant"].map(precision_of) == FLOAT32]
    if own.empty:
        return nothing_yet("No accelerator is measured", COMMAND)
    best = {pair.cell.place: pair for pair in torch_pairs(results.accelerator_cells)}
    groups = own.groupby("machine", sort=False)
    return facets((str(machine), _table_of(str(machine), cells, best)) for machine, cells in groups)


def _table_of(machine: str, cells: pd.DataFrame, best: Mapping[Place, Speedup]) -> str:
    """Every engine's step at each preset on one accelerator, and the ratio, rate and share that follow."""
    peers = [name for name in order_series(cells["line"]) if name != ACCELERATED]
    shares = dispatch_by_preset(cells, ACCELERATED)
    rows: list[dict[str, TableCell | str]] = []
    for (origin, machine_hash, preset), group in cells.groupby(["origin", "machine_hash", "preset"], sort=False):
        times = {str(row["line"]): float(row["seconds"]) for row in row_dicts(group)}
        mine, pair = times.get(ACCELERATED), best.get((str(origin), str(machine_hash), str(preset)))
        share = shares.get(str(preset))
        rows.append(
            {
                "preset": TableCell(str(preset), sort=int(group.iloc[0]["n_parameters"])),
                label_of(ACCELERATED): number_cell(mine, quantities.milliseconds),
                "PyTorch's best over ours": ratio_cell(pair.ratio if pair else None),
                **{label_of(name): number_cell(times.get(name), quantities.milliseconds) for name in peers},
                "rate of ours": number_cell(step_flops(str(preset)) / mine if mine else None, quantities.gflops),
                "dispatch in ours": number_cell(share[0] if share else None, quantities.percent),
            }
        )
    return html_table(f"Milliseconds of a training step on {machine}", rows)


def precision_table(results: Results) -> str:
    """Both frameworks in TF32 and bfloat16, and with batches and contexts that are not the preset's."""
    found = other_pairs(results.accelerator_cells)
    if not found:
        return nothing_yet("Only float32 is measured on both sides", PRECISION_COMMAND)
    steps = device_steps(results.accelerator_cells, results.runs, results.kernels)
    steps.sort(key=lambda step: step.cell.started_at)
    peaks = {(step.cell.scope, arithmetic(step.cell)): step.peak for step in steps if step.peak is not None}
    return html_table(
        "Milliseconds of a training step in other arithmetic, batches and contexts",
        [
            {
                "preset": TableCell(pair.cell.preset, sort=pair.cell.n_parameters),
                **_size(pair.cell),
                "arithmetic": arithmetic(pair.cell),
                label_of(ACCELERATED): number_cell(pair.cell.seconds.median, quantities.milliseconds),
                "PyTorch's best": number_cell(pair.baseline.seconds.median, quantities.milliseconds),
                "its variant": pair.baseline.variant,
                "PyTorch's best over ours": ratio_cell(pair.ratio),
                "rate of ours": number_cell(_rate(pair.cell), quantities.gflops),
                "of the card's peak": number_cell(
                    _rate(pair.cell) / peaks.get((pair.cell.scope, arithmetic(pair.cell)), math.nan), quantities.percent
                ),
                "losses differ by": number_cell(pair.cell.loss_drift, partial(quantities.percent, digits=2)),
                "accelerator": machine_label(pair.cell),
            }
            for pair in found
        ],
    )


def _size(cell: CellSummary) -> dict[str, TableCell | str]:
    return {"batch": number_cell(batch_size(cell), str), "context": number_cell(context_length(cell), str)}


def _rate(cell: CellSummary) -> float:
    return step_flops(cell.preset, batch_size(cell), context_length(cell)) / cell.seconds.median


def kernels_table(results: Results) -> str:
    """The kernels of a step by kind, and the gaps between them."""
    found = device_steps(results.accelerator_cells, results.runs, results.kernels)
    if not found:
        return nothing_yet("No step's kernels are recorded", COMMAND)
    return html_table(
        "Milliseconds of a training step by kind of kernel",
        [
            {
                "preset": TableCell(step.cell.preset, sort=step.cell.n_parameters),
                **_size(step.cell),
                "engine": step.cell.variant,
                "kernels": number_cell(step.n_kernels, str),
                **{
                    name: number_cell(seconds, quantities.milliseconds)
                    for name, seconds in zip(DEVICE_PARTS, step.seconds, strict=True)
                },
                "step": number_cell(step.cell.seconds.median, quantities.milliseconds),
                "accelerator": machine_label(step.cell),
            }
            for step in found
        ],
    )


def webgpu_table(results: Results) -> str:
    """The playground's engine beside engine ``jax`` and eager PyTorch in one run; nothing where it was not measured."""
    found = webgpu_pairs(results.accelerator_cells)
    if not found:
        return ""
    eager = {(cell.run_id, cell.preset): cell for cell in results.accelerator_cells if cell.variant == EAGER}
    return html_table(
        "Milliseconds of a training step of this page's engine, run by Node with Dawn",
        [
            {
                "preset": TableCell(pair.cell.preset, sort=pair.cell.n_parameters),
                label_of(WEBGPU): number_cell(pair.baseline.seconds.median, quantities.milliseconds),
                label_of(ACCELERATED): number_cell(pair.cell.seconds.median, quantities.milliseconds),
                "WebGPU over jax": ratio_cell(pair.ratio),
                label_of(EAGER): number_cell(
                    _median(eager.get((pair.cell.run_id, pair.cell.preset))), quantities.milliseconds
                ),
                "losses differ by": number_cell(pair.baseline.loss_drift, partial(quantities.percent, digits=3)),
                "accelerator": machine_label(pair.cell),
            }
            for pair in found
        ],
    )


def _median(cell: CellSummary | None) -> float | None:
    return cell.seconds.median if cell else None


def scaling_table(results: Results) -> str:
    """Several devices compared with one, with equal batches in one run."""
    found = scaling(results.accelerator_cells)
    if not found:
        return nothing_yet(
            "No run compares several devices with one",
            "invoke accelerator --out rows --presets behemoth --batch 8 "
            "--engines 'jax[dispatch=3],jax[dispatch=3,mesh=data2]'",
        )
    return html_table(
        "Several devices over one",
        [
            {
                "preset": TableCell(pair.cell.preset, sort=pair.cell.n_parameters),
                "engine": pair.cell.variant,
                "devices": number_cell(devices(pair.cell), str),
                **_size(pair.cell),
                "on one device": number_cell(pair.baseline.seconds.median, quantities.milliseconds),
                "on all": number_cell(pair.cell.seconds.median, quantities.milliseconds),
                "times as fast": ratio_cell(pair.ratio),
                "accelerator": machine_label(pair.cell),
            }
            for pair in found
        ],
    )
