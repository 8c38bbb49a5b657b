"""Engine ``jax`` on an accelerator: beside PyTorch there, beside a processor, and on several devices.

    over PyTorch   t_theirs / t_ours in one run at one preset, with its interval; above 1 this project is faster
    crossing       the size at which two curves of step time over parameters meet
    scaling        t_one / t_several of one batch, in one run: how many times as fast several devices are

Ratios are formed within one run, as everywhere. A crossing is the one place where times of two machines are set against
each other: it says which is faster at which size, about these two machines and no others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from bench.arms.devices import ACCELERATED, device_count, of_accelerators
from bench.arms.registry import FLOAT32, TORCH_ON_ACCELERATOR
from bench.records.grouping import best_of_each, grouped
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import ChosenRuns
from bench.statistics.cost_model import CostModel, fit_cost_model
from bench.statistics.ratios import Speedup, speedup_of
from tinygpt.presets import LADDER

EAGER, REPLAYED = "torch-cuda", "torch-cuda-graphs"  # the same kernels, launched one by one or as one graph
WEBGPU = "webgpu"  # the playground's engine, driven from Node

# A sum of dispatch and work is said of an engine only where it foretells presets that it has not seen this well.
BELIEVED = 0.25
_LEAST_PRESETS = 4  # fewer, and the cost model has no term for calls


def accelerator_summary(runs: pd.DataFrame, steps: pd.DataFrame) -> list[CellSummary]:
    """The cells that accelerators computed, this project's and the peers'."""
    return cell_summary(of_accelerators(runs), steps, ("bench", "peer"))


def batch_size(cell: CellSummary) -> int:
    """Sequences of a cell's step."""
    return int(_protocol(cell).get("batch_size", 0))


def context_length(cell: CellSummary) -> int:
    """Tokens of a cell's sequence."""
    return int(_protocol(cell).get("context_length", 0))


def arithmetic(cell: CellSummary) -> str:
    """A cell's arithmetic, in words."""
    return str(_protocol(cell).get("dtype"))


def is_exact(cell: CellSummary) -> bool:
    """True if a cell computed in float32."""
    return arithmetic(cell) == FLOAT32


def is_preset(cell: CellSummary) -> bool:
    """True if a cell's batch and context were the preset's own."""
    preset = LADDER.get(cell.preset)
    own = preset and (preset.train.batch_size, preset.model.context_length)
    return own == (batch_size(cell), context_length(cell))


def devices(cell: CellSummary) -> int:
    """Devices that a cell ran on."""
    return device_count(cell.resolved_variant or cell.variant)


def _protocol(cell: CellSummary) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(cell.protocol)
    return fields


# ---- beside PyTorch --------------------------------------------------------------------------------------


def torch_pairs(cells: Iterable[CellSummary]) -> list[Speedup]:
    """Our fastest variant beside the fastest PyTorch at each preset, from one run.

    That is the one with a clean checkout before others, six rounds before fewer, the newest before older ones. Compared
    are the cells that do a preset's own work in float32 on one device.

    Returns:
        published places first, then by machine and model size.
    """
    return _best_pairs((cell for cell in cells if is_exact(cell) and is_preset(cell)), TORCH_ON_ACCELERATOR)


def other_pairs(cells: Iterable[CellSummary]) -> list[Speedup]:
    """The same for all other cells on one device: less than float32, or a batch or context that is not the preset's."""
    return _best_pairs((cell for cell in cells if not (is_exact(cell) and is_preset(cell))), TORCH_ON_ACCELERATOR)


def webgpu_pairs(cells: Iterable[CellSummary]) -> list[Speedup]:
    """The playground's engine beside our fastest variant, chosen in the same way."""
    return _best_pairs((cell for cell in cells if is_preset(cell)), (WEBGPU,))


def _best_pairs(cells: Iterable[CellSummary], others: Sequence[str]) -> list[Speedup]:
    alike = (cell for cell in cells if cell.n_rounds and devices(cell) == 1)
    pairs = []
    for group in grouped(alike, lambda cell: cell.together).values():
        ours = _fastest(cell for cell in group if cell.engine == ACCELERATED)
        theirs = _fastest(cell for cell in group if cell.engine in others)
        pairs += [pair for pair in [ours and theirs and speedup_of(ours, theirs)] if pair]
    chosen = best_of_each(
        pairs,
        lambda pair: (pair.cell.place, batch_size(pair.cell), context_length(pair.cell), arithmetic(pair.cell)),
        lambda pair: (pair.cell.is_clean, pair.ratio.has_interval, pair.cell.started_at),
    )
    return sorted(chosen, key=lambda pair: pair.cell.published_first)


def _fastest(cells: Iterable[CellSummary]) -> CellSummary | None:
    return min(cells, key=lambda cell: cell.seconds.median, default=None)


def compared_runs(cells: Iterable[CellSummary], pairs: Iterable[Speedup]) -> ChosenRuns:
    """The run that each preset's pair comes from."""
    measured = grouped((cell for cell in cells if cell.n_rounds), lambda cell: (cell.place, cell.run_id))
    runs = [(pair.cell.place, pair.cell.run_id) for pair in pairs]
    return {place: (run_id, {cell.variant for cell in measured[place, run_id]}) for place, run_id in runs}


# ---- beside a processor ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """The crossing of two curves of step time over parameters, between two presets that both measured.

    Attributes:
        before: the smaller preset.
        after: the larger one.
        n_parameters: where the lines between them meet, both axes logarithmic.
        seconds: of a step there.
        ahead: whether the first curve is the faster one from there on.
    """

    before: str
    after: str
    n_parameters: float
    seconds: float
    ahead: bool


def crossings(ours: Mapping[str, float], theirs: Mapping[str, float]) -> tuple[Crossing, ...]:
    """Every place where the curve ``ours`` meets ``theirs``, smallest first.

    Args:
        ours: preset → seconds of a step.
        theirs: likewise; presets that only one side has are left out.
    """
    found = []
    common = common_presets(ours, theirs)
    for before, after in pairwise(common):
        # log(theirs / ours) at both ends: above 0, ours is the faster one
        low, high = (math.log(theirs[name] / ours[name]) for name in (before, after))
        if (low > 0) == (high > 0):
            continue
        part = low / (low - high)
        sizes, times = (
            [math.log(value) for value in pair]
            for pair in (
                [LADDER[name].model.n_parameters for name in (before, after)],
                [ours[name] for name in (before, after)],
            )
        )
        size, time = (math.exp(ends[0] + part * (ends[1] - ends[0])) for ends in (sizes, times))
        found.append(Crossing(before, after, size, time, ahead=high > 0))
    return tuple(found)


def common_presets(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    """The presets that two curves share, smallest first."""
    return [name for name in LADDER if name in ours and name in theirs]


# ---- dispatch against work -------------------------------------------------------------------------------


def dispatch_model(variant: str, measured: Mapping[str, float]) -> CostModel | None:
    """The cost model (``bench.planning``) of a variant's curve, if it can be believed.

    Its calls are what a step costs whatever its size: starting programs and kernels. FLOPs and bytes are the work. A
    loop whose launches run ahead of the device takes as long as the longer of the two and not their sum; such a curve
    fits badly, and nothing is said about it.

    Args:
        variant: gives the engine whose calls are counted.
        measured: preset → seconds of a step.
    """
    model = fit_cost_model(variant, measured) if len(measured) >= _LEAST_PRESETS else None
    return model if model is not None and model.largest_error <= BELIEVED else None


def dispatch_share(model: CostModel, preset: str) -> float:
    """The part of a step, by the model, that does not depend on the size of the arrays: 0 to 1."""
    terms = model.terms(preset)
    return terms["calls"] / sum(terms.values())


# ---- on several devices ----------------------------------------------------------------------------------


def scaling(cells: Iterable[CellSummary]) -> list[Speedup]:
    """Several devices over one: cells of engine ``jax`` with equal batches, measured in one run.

    Returns:
        a pair for each mesh of more than one device; the baseline is one device.
    """
    own = (cell for cell in cells if cell.engine == ACCELERATED and cell.n_rounds and is_exact(cell))
    pairs = []
    for group in grouped(own, lambda cell: cell.together).values():
        one = _fastest(cell for cell in group if devices(cell) == 1)
        several = [cell for cell in group if devices(cell) > 1] if one else []
        pairs += [pair for cell in several if (pair := one and speedup_of(cell, one))]
    return sorted(
        pairs,
        key=lambda pair: (
            pair.cell.machine_hash,
            pair.cell.n_parameters,
            batch_size(pair.cell),
            devices(pair.cell),
            pair.cell.started_at,
        ),
    )
