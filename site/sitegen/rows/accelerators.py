"""Accelerators as the site uses them: their cells, lines of them beside the processor's, and the page's tables.

A line is what a figure draws: our fastest float32 variant of engine ``jax`` at each preset, every peer on the
accelerator, and of the processor that prose quotes ``vectorized`` and whichever peer is fastest there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.arms.devices import ACCELERATED, of_accelerators
from bench.arms.registry import OURS, PEERS
from bench.arms.step_work import step_products, total_flops
from bench.records.rows import Kind
from bench.statistics.accelerator_ratios import (
    batch_size,
    common_presets,
    compared_runs,
    crossings,
    devices,
    dispatch_model,
    dispatch_share,
    is_exact,
    is_preset,
    scaling,
    torch_pairs,
)
from bench.statistics.chosen_runs import chosen_cells, counts
from bench.statistics.ratios import Speedup
from sitegen.rows.cells import cell_frame, cells_in_words, primary_cells
from sitegen.rows.machines import accelerator_name, machine_label
from sitegen.rows.ratios import interval_text
from sitegen.rows.results import TRAINING_KINDS, Results, records
from sitegen.rows.series import BEST_ON_CPU, label_of, order_series
from sitegen.text import quantities
from sitegen.text.markup import TableCell, html_table, nothing_yet
from tinygpt.presets import PRESETS

COMMAND = "invoke accelerator --out rows && invoke results merge --dirs rows"
ON_ACCELERATOR, ON_PROCESSOR = "accelerator", "processor"

_KINDS: tuple[Kind, ...] = ("bench", "peer")


def accelerator_cells(results: Results) -> pd.DataFrame:
    """One row per cell that an accelerator measured or failed at, with the preset's own batch.

    Where the run that compares our engine with PyTorch at a preset holds a cell, it is taken from there.

    Returns:
        columns ``CELL_COLUMNS``, ``is_exact`` (float32) and ``devices``; of failed cells the last two are False and 1.
    """
    own = [cell for cell in results.accelerator_cells if is_preset(cell)]
    compared = compared_runs(own, torch_pairs(own))
    chosen = chosen_cells([cell for cell in own if counts(compared, cell)])
    attempts = of_accelerators(results.runs)
    expected = attempts["preset"].map({name: preset.tokens_per_step for name, preset in PRESETS.items()})
    cells = cells_in_words(own, chosen, attempts[attempts["tokens_per_step"] == expected], _KINDS)
    by_arm = {cell.arm: cell for cell in chosen}
    arms = cells[["origin", "machine_hash", "preset", "variant"]].itertuples(index=False, name=None)
    measured = [by_arm[arm] if state == "measured" else None for arm, state in zip(arms, cells["state"], strict=True)]
    return cells.assign(
        is_exact=[cell is not None and is_exact(cell) for cell in measured],
        devices=[1 if cell is None else devices(cell) for cell in measured],
    )


def accelerator_lines(results: Results) -> pd.DataFrame:
    """Cells of accelerators, and the processor's that stand beside them, each with its line.

    Returns:
        columns ``CELL_COLUMNS``, ``device`` and ``line``; no row where no accelerator was measured.
    """
    cells = accelerator_cells(results)
    if cells.empty:
        return cells.assign(device="", line="")
    parts = [cells.assign(device=ON_ACCELERATOR, line=_lines_of(cells))]
    beside = _beside(primary_cells(cell_frame(results, TRAINING_KINDS)))
    if len(beside):
        parts.append(beside.assign(device=ON_PROCESSOR))
    return pd.concat(parts, ignore_index=True)


def _lines_of(cells: pd.DataFrame) -> pd.Series:
    """The line that each cell is on; our fastest float32 variant of a preset is on the engine's own."""
    compared = cells["is_exact"] & (cells["devices"] == 1) & (cells["engine"] == ACCELERATED)
    best = cells[compared].sort_values("seconds", kind="stable").drop_duplicates(["origin", "machine_hash", "preset"])
    # A plain variant that failed everywhere is still the engine.
    failed = (cells["state"] == "failed") & (cells["engine"] == ACCELERATED)
    lines = cells["variant"].mask(cells.index.isin(best.index), ACCELERATED)
    return lines.mask(failed & ~cells["variant"].str.contains("precision=|mesh="), ACCELERATED)


def _beside(cells: pd.DataFrame) -> pd.DataFrame:
    """Of a processor's measured cells, our fast engine's, and the fastest peer's at each preset."""
    measured = cells[cells["state"] == "measured"]
    ours = measured[measured["variant"] == OURS].assign(line=OURS)
    peers = measured[measured["variant"].isin(PEERS)].sort_values("seconds", kind="stable").drop_duplicates("preset")
    return pd.concat([ours, peers.assign(line=BEST_ON_CPU)]).sort_values("n_parameters", kind="stable")


@dataclass(frozen=True)
class Quoted:
    """What prose quotes: one accelerator's rows, published if any is, and the processor's beside them.

    Attributes:
        accelerator: its name; empty where none was measured.
        lines: measured cells of both, of :func:`accelerator_lines`.
        pairs: our fastest variant beside the fastest PyTorch (``bench.statistics.accelerator_ratios.torch_pairs``).
        several: several devices over one, of any machine (``bench.statistics.accelerator_ratios.scaling``).
    """

    accelerator: str
    lines: pd.DataFrame
    pairs: list[Speedup]
    several: list[Speedup]


def quoted(results: Results) -> Quoted:
    """The rows behind the numbers about accelerators; empty frames where none was measured."""
    lines = accelerator_lines(results)
    own = primary_cells(lines[lines["device"] == ON_ACCELERATOR])
    scopes = set(zip(own["origin"], own["machine_hash"], strict=True))
    rows = pd.concat([own, lines[lines["device"] == ON_PROCESSOR]])
    machines = results.runs.loc[results.runs["machine_hash"].isin(own["machine_hash"]), "machine"]
    return Quoted(
        accelerator_name(json.loads(str(machines.iloc[0]))) if len(machines) else "",
        rows[rows["state"] == "measured"],
        [pair for pair in torch_pairs(results.accelerator_cells) if pair.cell.scope in scopes],
        scaling(results.accelerator_cells),
    )


def curve(lines: pd.DataFrame, line: str) -> dict[str, float]:
    """Preset → seconds of a step, of one line of one machine."""
    own = lines[(lines["line"] == line) & (lines["state"] == "measured")]
    return {str(preset): float(seconds) for preset, seconds in zip(own["preset"], own["seconds"], strict=True)}


def dispatch_by_preset(lines: pd.DataFrame, line: str) -> dict[str, tuple[float, str]]:
    """Preset → the part of its step that is dispatch, and what that rests on; empty where no model is believed."""
    seconds = curve(lines, line)
    model = dispatch_model(line, seconds)
    if model is None:
        return {}
    details = (
        f"cost model {model.id}; leaving out each of {len(seconds)} presets, "
        f"at most {quantities.percent(model.largest_error)} off"
    )
    return {preset: (dispatch_share(model, preset), details) for preset in model.measured}


def step_flops(preset: str) -> float:
    """Floating-point operations of a step's matrix products."""
    entry = PRESETS[preset]
    return float(total_flops(step_products(entry.model, entry.train.batch_size)))


def overtaking_words(ours: dict[str, float], theirs: dict[str, float]) -> str | None:
    """At which sizes the first curve is the faster one, in words that follow "faster"; None without common presets."""
    common = common_presets(ours, theirs)
    if not common:
        return None
    found = crossings(ours, theirs)
    if not found:
        if ours[common[0]] >= theirs[common[0]]:
            return f"at no preset up to {common[-1]}"
        return f"at every preset from {common[0]} to {common[-1]}" if len(common) > 1 else f"at {common[0]}"
    words = ""
    for crossing in found:
        place = f"between {crossing.before} and {crossing.after}"
        if crossing.ahead:
            words += f"{', and again ' if words else ''}from a size {place}"
        else:
            words += f" up to one {place}" if words else f"up to a size {place}"
    return words + (" on" if found[-1].ahead else "")


# ---- tables ----------------------------------------------------------------------------------------------


def accelerator_table(results: Results) -> str:
    """A line for each accelerator and preset: every engine's step there, and what follows from it."""
    lines = accelerator_lines(results)
    own = lines[(lines["device"] == ON_ACCELERATOR) & (lines["state"] == "measured")]
    if own.empty:
        return nothing_yet("No accelerator is measured", COMMAND)
    over_torch = {pair.cell.place: pair for pair in torch_pairs(results.accelerator_cells)}
    beside = curve(lines[lines["device"] == ON_PROCESSOR], OURS)
    peers = [name for name in order_series(own["line"]) if name != ACCELERATED]
    rows: list[list[TableCell | str]] = []
    for (origin, machine, preset), group in own.groupby(["origin", "machine_hash", "preset"], sort=False):
        times = {str(row["line"]): float(row["seconds"]) for row in records(group)}
        on_machine = own[(own["origin"] == origin) & (own["machine_hash"] == machine)]
        mine, pair = times.get(ACCELERATED), over_torch.get((str(origin), str(machine), str(preset)))
        share = dispatch_by_preset(on_machine, ACCELERATED).get(str(preset))
        both = beside[str(preset)] / mine if mine and preset in beside else None
        rows.append(
            [
                TableCell(str(preset), sort=int(group.iloc[0]["n_parameters"])),
                *(_cell(times.get(name), quantities.milliseconds) for name in (ACCELERATED, *peers)),
                _pair_cell(pair),
                _cell(beside.get(str(preset)), quantities.milliseconds),
                _cell(both, quantities.ratio),
                _cell(None if mine is None else step_flops(str(preset)) / mine, quantities.gflops),
                _cell(None if share is None else share[0], quantities.percent),
                str(group.iloc[0]["machine"]),
            ]
        )
    headings = ["preset", *(label_of(name) for name in (ACCELERATED, *peers)), "PyTorch's best over ours",
                f"{OURS} on the processor", "processor over accelerator", "rate of ours", "dispatch in ours",
                "accelerator"]  # fmt: skip
    return html_table("Milliseconds of a training step on an accelerator", headings, rows)


def _cell(value: float | None, write: Any) -> TableCell:
    return TableCell("–") if value is None else TableCell(write(value), sort=value)


def _pair_cell(pair: Speedup | None) -> TableCell:
    if pair is None:
        return TableCell("–")
    speedup = pair.ratio.speedup
    return TableCell(f"{quantities.ratio(speedup)} ({interval_text(pair.ratio)})", sort=speedup)


def scaling_table(results: Results) -> str:
    """Several devices over one, with equal batches in one run."""
    found = scaling(results.accelerator_cells)
    if not found:
        return nothing_yet(
            "No two devices are measured beside one",
            "invoke accelerator --out rows --presets behemoth --batch 8 "
            "--engines 'jax[dispatch=3],jax[dispatch=3,mesh=data2]'",
        )
    rows: list[list[TableCell | str]] = [
        [
            TableCell(pair.cell.preset, sort=pair.cell.n_parameters),
            pair.cell.variant,
            TableCell(str(devices(pair.cell)), sort=devices(pair.cell)),
            TableCell(str(batch_size(pair.cell)), sort=batch_size(pair.cell)),
            _cell(pair.baseline.seconds.median, quantities.milliseconds),
            _cell(pair.cell.seconds.median, quantities.milliseconds),
            _pair_cell(pair),
            machine_label(pair.cell),
        ]
        for pair in found
    ]
    headings = ["preset", "engine", "devices", "batch", "on one device", "on all", "times as fast", "accelerator"]
    return html_table("Several devices over one", headings, rows)
