"""Numbers about accelerators: the names of ``sitegen.numbers.registry`` that begin with ``accelerator``.

Some are words, so that a sentence stays true when rows change: the size from which the accelerator is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import MappingProxyType

import pandas as pd

from bench.arms.devices import ACCELERATED
from bench.arms.registry import OURS
from bench.statistics.accelerator_ratios import EAGER, REPLAYED, batch_size, common_presets, devices, is_exact
from bench.statistics.ratios import Speedup
from sitegen.numbers.number import Answer, NotMeasured, first, require
from sitegen.rows.accelerators import (
    ON_ACCELERATOR,
    ON_PROCESSOR,
    QuotedAccelerator,
    curve,
    dispatch_by_preset,
    overtaking_words,
    step_flops,
)
from sitegen.rows.ratios import quoted_ends, quoted_range, quoted_ratio, ratio_words
from tinygpt.terminal import quantities

# The word for the doubt of a ratio that no interval can be given to: its sides share no round.
TWO_MACHINES = "medians of two machines, no interval"


def name(quoted: QuotedAccelerator) -> Answer:
    """The accelerator's name, from its fingerprint."""
    own = _of_device(quoted, ON_ACCELERATOR)
    if own.empty:
        raise NotMeasured
    return quoted.name, f"fingerprint of {_origin(own.iloc[0])}", _runs(own)


def step_ms(line: str, quoted: QuotedAccelerator, preset: str) -> Answer:
    """Milliseconds of a series' step."""
    cell = _cell(quoted, line, preset)
    source = f"{cell['variant']} at {preset}, {cell['evidence']}, {cell['code']}; {_origin(cell)}"
    return quantities.milliseconds(float(cell["seconds"])), source, (str(cell["run_id"]),)


def rate(quoted: QuotedAccelerator, preset: str) -> Answer:
    """FLOPs of the products over our step's time."""
    cell = _cell(quoted, ACCELERATED, preset)
    source = f"products of a step at {preset} over the time of {cell['variant']}; {_origin(cell)}"
    return quantities.gflops(step_flops(preset) / float(cell["seconds"])), source, (str(cell["run_id"]),)


def launches(quoted: QuotedAccelerator, preset: str) -> Answer:
    """Time of PyTorch's kernels launched one by one over that of a graph of them, in one run."""
    pair = first(pair for pair in quoted.launches if pair.cell.preset == preset)
    source = f"{EAGER} over {REPLAYED} at {preset}, {ratio_words(pair.ratio)}"
    return quoted_ratio(pair.ratio), source, (pair.cell.run_id,)


# ---- compared with the processor -------------------------------------------------------------------------


def over_processor(quoted: QuotedAccelerator, preset: str) -> Answer:
    """Our step's time on the processor over ours on the accelerator: two machines."""
    ratio = require(_over_processor(quoted).get(preset))
    return (
        f"{quantities.ratio(ratio)} ({TWO_MACHINES})",
        _two_machines(quoted, f"at {preset}"),
        _runs(_compared(quoted)),
    )


def ends(quoted: QuotedAccelerator) -> Answer:
    """The same at the smallest and the largest preset that both measured."""
    ratios = [*_over_processor(quoted).items()]
    parts = [f"{quantities.ratio(ratio)} at {preset}" for preset, ratio in (first(ratios), ratios[-1])]
    return (
        f"{' and '.join(dict.fromkeys(parts))} ({TWO_MACHINES})",
        _two_machines(quoted, "at both ends"),
        _runs(_compared(quoted)),
    )


def faster(line: str, quoted: QuotedAccelerator) -> Answer:
    """The sizes at which a series of the accelerator is faster than our engine on the processor."""
    theirs, ours = _curves(quoted, line)
    words = require(overtaking_words(ours, theirs))
    return words, _two_machines(quoted, f"by the line {line}"), _runs(_compared(quoted, line))


def _over_processor(quoted: QuotedAccelerator) -> dict[str, float]:
    theirs, ours = _curves(quoted, ACCELERATED)
    return {preset: theirs[preset] / ours[preset] for preset in common_presets(ours, theirs)}


def _curves(quoted: QuotedAccelerator, line: str) -> tuple[dict[str, float], dict[str, float]]:
    return curve(_of_device(quoted, ON_PROCESSOR), OURS), curve(_of_device(quoted, ON_ACCELERATOR), line)


def _compared(quoted: QuotedAccelerator, line: str = ACCELERATED) -> pd.DataFrame:
    return quoted.lines[quoted.lines["line"].isin((line, OURS))]


def _two_machines(quoted: QuotedAccelerator, where: str) -> str:
    machines = dict.fromkeys(_compared(quoted)["machine"])
    return f"times of two machines, {where}: {'; '.join(machines)}"


# ---- compared with PyTorch; dispatch; several devices ----------------------------------------------------


def over_torch(quoted: QuotedAccelerator, preset: str) -> Answer:
    """The fastest PyTorch's time over ours, in one run."""
    pair = first(pair for pair in quoted.pairs if pair.cell.preset == preset)
    source = f"{pair.baseline.variant} over {pair.cell.variant} at {preset}, {ratio_words(pair.ratio)}, in one run"
    return quoted_ratio(pair.ratio), source, (pair.cell.run_id,)


def over_torch_range(quoted: QuotedAccelerator) -> Answer:
    """The widest ends of these ratios."""
    first(quoted.pairs)
    source = (
        f"PyTorch's best over ours, the widest ends at {quantities.listed(pair.cell.preset for pair in quoted.pairs)}"
    )
    return quoted_range([pair.ratio for pair in quoted.pairs]), source, _runs_of(quoted.pairs)


def level(quoted: QuotedAccelerator) -> Answer:
    """The number of presets at which ours is ahead of PyTorch's best, or cannot be distinguished from it."""
    ratios = [pair.ratio for pair in quoted.pairs]
    if not ratios:
        raise NotMeasured
    good = [ratio for ratio in ratios if max(quoted_ends(ratio)) >= 1]
    source = "ratios above 1, or with an interval or rounds that reach it"
    return f"{len(good)} of {len(ratios)}", source, _runs_of(quoted.pairs)


def dispatch(quoted: QuotedAccelerator, preset: str) -> Answer:
    """The share of our step that is dispatch, by the cost model."""
    own = _of_device(quoted, ON_ACCELERATOR)
    share, source = require(dispatch_by_preset(own, ACCELERATED).get(preset))
    return quantities.percent(share), source, _runs(own[own["line"] == ACCELERATED])


def several_devices(quoted: QuotedAccelerator, preset: str) -> Answer:
    """The speedup of the most devices over one, in float32 with the largest batch on record."""
    found = [pair for pair in quoted.several if pair.cell.preset == preset and is_exact(pair.cell)]
    pair = require(max(found, key=lambda pair: (devices(pair.cell), batch_size(pair.cell)), default=None))
    cell = pair.cell
    source = f"{cell.variant}: {devices(cell)} devices over one, batch {batch_size(cell)}, in one run"
    return quoted_ratio(pair.ratio), source, (cell.run_id,)


def _of_device(quoted: QuotedAccelerator, device: str) -> pd.DataFrame:
    return quoted.lines[quoted.lines["device"] == device]


def _cell(quoted: QuotedAccelerator, line: str, preset: str) -> pd.Series:
    """The measured cell of a series on the accelerator."""
    own = _of_device(quoted, ON_ACCELERATOR)
    found = own[(own["line"] == line) & (own["preset"] == preset)]
    if found.empty:
        raise NotMeasured
    return found.iloc[0]


def _runs_of(pairs: Iterable[Speedup]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair.cell.run_id for pair in pairs))


def _runs(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, rows["run_id"])))


def _origin(row: pd.Series) -> str:
    return f"{row['machine']}; {row['measured_on']}"


# The part of a number's name after ``accelerator.`` → its answer.
ANSWERS: MappingProxyType[str, Callable[..., Answer]] = MappingProxyType(
    {
        "name": name,
        "faster": partial(faster, ACCELERATED),
        "eager_faster": partial(faster, EAGER),
        "ends": ends,
        "level": level,
        "over_torch_range": over_torch_range,
        "over_processor.PRESET": over_processor,
        "over_torch.PRESET": over_torch,
        "step_ms.PRESET": partial(step_ms, ACCELERATED),
        "eager_ms.PRESET": partial(step_ms, EAGER),
        "rate.PRESET": rate,
        "launches.PRESET": launches,
        "dispatch.PRESET": dispatch,
        "several.PRESET": several_devices,
    }
)
