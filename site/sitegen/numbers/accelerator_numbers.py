"""Numbers about accelerators: the names of ``sitegen.numbers.registry`` that begin with ``accelerator``.

Some are words, so that a sentence stays true when rows change: from which size on the accelerator is the faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

import pandas as pd

from bench.arms.devices import ACCELERATED
from bench.arms.registry import OURS
from bench.statistics.accelerator_ratios import EAGER, REPLAYED, batch_size, common_presets, devices
from bench.statistics.noise import ASSUMED_FLOOR
from bench.statistics.ratios import Speedup
from sitegen.rows.accelerators import (
    ON_ACCELERATOR,
    ON_PROCESSOR,
    Quoted,
    curve,
    dispatch_by_preset,
    overtaking_words,
    step_flops,
)
from sitegen.rows.ratios import interval_text
from sitegen.text import quantities

Answer = tuple[str, str, tuple[str, ...]] | None


def cell_of(quoted: Quoted, line: str, preset: str) -> pd.Series | None:
    """The accelerator's measured cell on a line."""
    lines = quoted.lines
    found = lines[(lines["device"] == ON_ACCELERATOR) & (lines["line"] == line) & (lines["preset"] == preset)]
    return None if found.empty else found.iloc[0]


def name(quoted: Quoted) -> Answer:
    """The accelerator's, as its fingerprint has it."""
    own = quoted.lines[quoted.lines["device"] == ON_ACCELERATOR]
    return None if own.empty else (quoted.accelerator, f"fingerprint of {_place(own.iloc[0])}", _runs(own))


def time_of(line: str) -> Callable[..., Answer]:
    """Milliseconds of a step on a line."""

    def resolve(quoted: Quoted, preset: str) -> Answer:
        cell = cell_of(quoted, line, preset)
        if cell is None:
            return None
        source = f"{cell['variant']} at {preset}, {cell['evidence']}, {cell['code']}; {_place(cell)}"
        return quantities.milliseconds(float(cell["seconds"])), source, (str(cell["run_id"]),)

    return resolve


def rate(quoted: Quoted, preset: str) -> Answer:
    """FLOPs of the products over our step's time."""
    cell = cell_of(quoted, ACCELERATED, preset)
    if cell is None:
        return None
    source = f"products of a step at {preset} over the time of {cell['variant']}; {_place(cell)}"
    return quantities.gflops(step_flops(preset) / float(cell["seconds"])), source, (str(cell["run_id"]),)


def launches(quoted: Quoted, preset: str) -> Answer:
    """PyTorch's kernels launched one by one over the same ones replayed as a graph, in one run."""
    eager, replayed = (cell_of(quoted, line, preset) for line in (EAGER, REPLAYED))
    if eager is None or replayed is None or eager["run_id"] != replayed["run_id"]:
        return None
    source = f"{EAGER} over {REPLAYED} at {preset}, {eager['evidence']}; {_place(eager)}"
    return quantities.ratio(float(eager["seconds"] / replayed["seconds"])), source, (str(eager["run_id"]),)


# ---- beside the processor --------------------------------------------------------------------------------


def over_processor(quoted: Quoted, preset: str) -> Answer:
    """Our fast engine's step on the processor over ours on the accelerator: two machines."""
    theirs, ours = _curves(quoted, ACCELERATED)
    if preset not in theirs or preset not in ours:
        return None
    return quantities.ratio(theirs[preset] / ours[preset]), _both(quoted, f"at {preset}"), _runs(_sides(quoted))


def ends(quoted: Quoted) -> Answer:
    """The same at the smallest and the largest preset that both measured."""
    theirs, ours = _curves(quoted, ACCELERATED)
    common = common_presets(ours, theirs)
    if not common:
        return None
    parts = [f"{quantities.ratio(theirs[preset] / ours[preset])} at {preset}" for preset in (common[0], common[-1])]
    return " and ".join(dict.fromkeys(parts)), _both(quoted, "at both ends"), _runs(_sides(quoted))


def faster(line: str) -> Callable[..., Answer]:
    """At which sizes a line of the accelerator is faster than our engine on the processor."""

    def resolve(quoted: Quoted) -> Answer:
        theirs, ours = _curves(quoted, line)
        words = overtaking_words(ours, theirs)
        return None if words is None else (words, _both(quoted, f"by the line {line}"), _runs(_sides(quoted, line)))

    return resolve


def _curves(quoted: Quoted, line: str) -> tuple[dict[str, float], dict[str, float]]:
    on_processor = quoted.lines["device"] == ON_PROCESSOR
    return curve(quoted.lines[on_processor], OURS), curve(quoted.lines[~on_processor], line)


def _sides(quoted: Quoted, line: str = ACCELERATED) -> pd.DataFrame:
    return quoted.lines[quoted.lines["line"].isin((line, OURS))]


def _both(quoted: Quoted, where: str) -> str:
    machines = dict.fromkeys(_sides(quoted)["machine"])
    return f"times of two machines, {where}: {'; '.join(machines)}"


# ---- beside PyTorch, dispatch, several devices -----------------------------------------------------------


def over_torch(quoted: Quoted, preset: str) -> Answer:
    """The fastest PyTorch's time over ours, in one run."""
    pair = next((pair for pair in quoted.pairs if pair.cell.preset == preset), None)
    if pair is None:
        return None
    source = f"{pair.baseline.variant} over {pair.cell.variant} at {preset}, {interval_text(pair.ratio)}, in one run"
    return quantities.ratio(pair.ratio.speedup), source, (pair.cell.run_id,)


def over_torch_range(quoted: Quoted) -> Answer:
    """From the preset where we come off worst to the one where we come off best."""
    if not quoted.pairs:
        return None
    ordered = sorted(quoted.pairs, key=lambda pair: pair.ratio.speedup)
    ends = ordered[0], ordered[-1]
    texts = dict.fromkeys(quantities.ratio(pair.ratio.speedup) for pair in ends)
    source = f"PyTorch's best over ours, at {' and '.join(pair.cell.preset for pair in ends)}"
    return " to ".join(texts), source, _runs_of(ordered)


def level(quoted: Quoted) -> Answer:
    """At how many presets ours is ahead of PyTorch's best, or not told apart from it."""
    ratios = [pair.ratio for pair in quoted.pairs]
    if not ratios:
        return None
    good = [ratio for ratio in ratios if ratio.speedup * (1 + ASSUMED_FLOOR) >= 1 or ratio.high >= 1]
    source = f"ratios above 1, with an interval that holds it, or within {quantities.percent(ASSUMED_FLOOR)} of it"
    return f"{len(good)} of {len(ratios)}", source, _runs_of(quoted.pairs)


def dispatch(quoted: Quoted, preset: str) -> Answer:
    """The part of our step that is dispatch, by the cost model."""
    own = quoted.lines[quoted.lines["device"] == ON_ACCELERATOR]
    found = dispatch_by_preset(own, ACCELERATED).get(preset)
    return None if found is None else (quantities.percent(found[0]), found[1], _runs(own[own["line"] == ACCELERATED]))


def several_devices(quoted: Quoted, preset: str) -> Answer:
    """How many times as fast the most devices are as one, with the largest batch on record."""
    found = [pair for pair in quoted.several if pair.cell.preset == preset]
    if not found:
        return None
    pair = max(found, key=lambda pair: (devices(pair.cell), batch_size(pair.cell), pair.cell.started_at))
    cell = pair.cell
    source = f"{cell.variant}: {devices(cell)} devices over one, batch {batch_size(cell)}, in one run"
    return quantities.ratio(pair.ratio.speedup), source, (cell.run_id,)


def _runs_of(pairs: Iterable[Speedup]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair.cell.run_id for pair in pairs))


def _runs(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, rows["run_id"])))


def _place(row: Any) -> str:
    return f"{row['machine']}; {row['measured_on']}"


# What follows ``accelerator.`` in a number's name → its answer.
ANSWERS: MappingProxyType[str, Callable[..., Answer]] = MappingProxyType(
    {
        "name": name,
        "faster": faster(ACCELERATED),
        "eager_faster": faster(EAGER),
        "ends": ends,
        "level": level,
        "over_torch_range": over_torch_range,
        "over_processor.PRESET": over_processor,
        "over_torch.PRESET": over_torch,
        "step_ms.PRESET": time_of(ACCELERATED),
        "eager_ms.PRESET": time_of(EAGER),
        "rate.PRESET": rate,
        "launches.PRESET": launches,
        "dispatch.PRESET": dispatch,
        "several.PRESET": several_devices,
    }
)
