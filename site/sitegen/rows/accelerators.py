"""Accelerators as the site shows them: their cells, and lines of them beside the processor's.

The figure draws these lines: our fastest float32 variant of engine ``jax`` at each preset, every peer on the
accelerator, and on the processor that prose quotes ``vectorized`` and the fastest peer at each preset.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pandas as pd

from bench.arms.devices import ACCELERATED, of_accelerators
from bench.arms.registry import OURS, PEERS
from bench.arms.step_work import step_products, total_flops
from bench.records.rows import Kind
from bench.statistics.accelerator_ratios import (
    EAGER,
    REPLAYED,
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
from bench.statistics.chosen_runs import chosen_cells, chosen_ratios
from bench.statistics.ratios import Speedup, speedups
from sitegen.rows.cells import cell_frame, cells_in_words, primary_cells
from sitegen.rows.machines import accelerator_name
from sitegen.rows.results import TRAINING_KINDS, Results
from sitegen.rows.series import BEST_ON_CPU
from tinygpt.presets import LADDER, PRESETS
from tinygpt.terminal import quantities

COMMAND = "invoke accelerator --out rows && invoke results merge --dirs rows"
ON_ACCELERATOR, ON_PROCESSOR = "accelerator", "processor"

_KINDS: tuple[Kind, ...] = ("bench", "peer")


def accelerator_cells(results: Results) -> pd.DataFrame:
    """One row per measured or failed cell of an accelerator with the preset's own batch.

    A cell comes from the run that compares our engine with PyTorch at its preset, if that run has it.

    Returns:
        columns ``CELL_COLUMNS``, ``is_exact`` (float32) and ``devices``; of failed cells the last two are False and 1.
    """
    own = [cell for cell in results.accelerator_cells if is_preset(cell)]
    compared = compared_runs(own, torch_pairs(own))
    chosen = chosen_cells(own, compared)
    attempts = of_accelerators(results.runs)
    expected = attempts["preset"].map({name: preset.tokens_per_step for name, preset in LADDER.items()})
    cells = cells_in_words(own, chosen, attempts[attempts["tokens_per_step"] == expected], _KINDS)
    by_arm = {cell.arm: cell for cell in chosen}
    arms = cells[["origin", "machine_hash", "preset", "variant"]].itertuples(index=False, name=None)
    measured = [by_arm[arm] if state == "measured" else None for arm, state in zip(arms, cells["state"], strict=True)]
    return cells.assign(
        is_exact=[cell is not None and is_exact(cell) for cell in measured],
        devices=[1 if cell is None else devices(cell) for cell in measured],
    )


def accelerator_lines(results: Results) -> pd.DataFrame:
    """Cells of accelerators and, for comparison, of the processor, each with its line.

    Returns:
        columns ``CELL_COLUMNS``, ``device`` and ``line``, the quoted accelerator first; no row where none was measured.
    """
    cells = accelerator_cells(results)
    if cells.empty:
        return cells.assign(device="", line="")
    quoted = cells["machine_hash"].isin(primary_cells(cells)["machine_hash"])
    cells = pd.concat([cells[quoted], cells[~quoted]], ignore_index=True)
    parts = [cells.assign(device=ON_ACCELERATOR, line=_lines_of(cells))]
    compared = _processor_lines(primary_cells(cell_frame(results, TRAINING_KINDS)))
    if len(compared):
        parts.append(compared.assign(device=ON_PROCESSOR))
    return pd.concat(parts, ignore_index=True)


def _lines_of(cells: pd.DataFrame) -> pd.Series:
    """The line of each cell; our fastest float32 variant at a preset is on the line of the engine."""
    compared = cells["is_exact"] & (cells["devices"] == 1) & (cells["engine"] == ACCELERATED)
    best = cells[compared].sort_values("seconds", kind="stable").drop_duplicates(["origin", "machine_hash", "preset"])
    # A plain variant that failed everywhere is on it too.
    failed = (cells["state"] == "failed") & (cells["engine"] == ACCELERATED)
    lines = cells["variant"].mask(cells.index.isin(best.index), ACCELERATED)
    return lines.mask(failed & ~cells["variant"].str.contains("precision=|mesh="), ACCELERATED)


def _processor_lines(cells: pd.DataFrame) -> pd.DataFrame:
    """Measured cells of our fast engine on the processor, and of the fastest peer at each preset."""
    measured = cells[cells["state"] == "measured"]
    ours = measured[measured["variant"] == OURS].assign(line=OURS)
    peers = measured[measured["variant"].isin(PEERS)].sort_values("seconds", kind="stable").drop_duplicates("preset")
    return pd.concat([ours, peers.assign(line=BEST_ON_CPU)]).sort_values("n_parameters", kind="stable")


@dataclass(frozen=True)
class QuotedAccelerator:
    """The accelerator that prose quotes, published rows before local ones, and the processor's rows to compare with.

    Attributes:
        name: of the accelerator; empty where none was measured.
        lines: measured cells of both, of :func:`accelerator_lines`.
        pairs: our fastest variant with the fastest PyTorch (``bench.statistics.accelerator_ratios.torch_pairs``).
        launches: kernels launched one by one beside a graph of them.
        several: several devices with one, of any machine (``bench.statistics.accelerator_ratios.scaling``).
    """

    name: str
    lines: pd.DataFrame
    pairs: list[Speedup]
    launches: list[Speedup]
    several: list[Speedup]


def quoted_accelerator(results: Results) -> QuotedAccelerator:
    """The rows behind numbers about accelerators; empty where none was measured."""
    lines = accelerator_lines(results)
    own = primary_cells(lines[lines["device"] == ON_ACCELERATOR])
    scopes = set(zip(own["origin"], own["machine_hash"], strict=True))
    rows = pd.concat([own, lines[lines["device"] == ON_PROCESSOR]])
    machines = results.runs.loc[results.runs["machine_hash"].isin(own["machine_hash"]), "machine"]
    return QuotedAccelerator(
        accelerator_name(json.loads(str(machines.iloc[0]))) if len(machines) else "",
        rows[rows["state"] == "measured"],
        [pair for pair in torch_pairs(results.accelerator_cells) if pair.cell.scope in scopes],
        chosen_ratios(
            pair
            for pair in speedups(filter(is_preset, results.accelerator_cells), EAGER)
            if pair.cell.variant == REPLAYED and pair.cell.scope in scopes
        ),
        scaling(results.accelerator_cells),
    )


def curve(lines: pd.DataFrame, line: str) -> dict[str, float]:
    """Preset → seconds of a step, for one line of one machine."""
    own = lines[(lines["line"] == line) & (lines["state"] == "measured")]
    return {str(preset): float(seconds) for preset, seconds in zip(own["preset"], own["seconds"], strict=True)}


def dispatch_by_preset(lines: pd.DataFrame, line: str) -> dict[str, tuple[float, str]]:
    """Preset → dispatch as a share of a step, and its basis in words; empty where no cost model fits well enough."""
    seconds = curve(lines, line)
    model = dispatch_model(line, seconds)
    if model is None:
        return {}
    details = (
        f"cost model {model.id}; leaving out each of {len(seconds)} presets, "
        f"at most {quantities.percent(model.largest_error)} off"
    )
    return {preset: (dispatch_share(model, preset), details) for preset in model.measured}


def step_flops(preset: str, batch: int | None = None, context: int | None = None) -> float:
    """FLOPs of the matrix products of a step, with the preset's own batch and context by default."""
    entry = PRESETS[preset]
    model = replace(entry.model, context_length=context or entry.model.context_length)
    return float(total_flops(step_products(model, batch or entry.train.batch_size)))


def overtaking_words(ours: dict[str, float], theirs: dict[str, float]) -> str | None:
    """The sizes at which ``ours`` is the faster curve, in words that follow "faster"; None without common presets."""
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
