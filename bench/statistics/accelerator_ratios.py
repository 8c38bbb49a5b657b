"""Where engine ``jax`` stands on an accelerator: beside PyTorch there, beside a processor, and on several devices.

    over PyTorch   t_theirs / t_ours in one run at one preset, with its interval; above 1 this project is faster
    crossing       the size at which two curves of step time over parameters meet
    scaling        t_one / t_several of one batch, in one run: how many times as fast several devices are

Ratios are formed within one run, as everywhere. A crossing is the one place where times of two machines are set against
each other: it says which is faster at which size, about these two machines and no others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from bench.arms.devices import ACCELERATED, device_count, of_accelerators
from bench.arms.registry import ACCELERATOR_PEERS
from bench.statistics.chosen_runs import PLACE
from bench.statistics.cost_model import CostModel, fit_cost_model
from bench.statistics.summary import MIN_ROUNDS, Ratio, cell_summary, ratio_of_rounds
from tinygpt.presets import PRESETS

EAGER, REPLAYED = "torch-cuda", "torch-cuda-graphs"  # the same kernels, launched one by one or as one graph

# A sum of dispatch and work is said of an engine only where it foretells presets that it has not seen this well.
BELIEVED = 0.25
_LEAST_PRESETS = 4  # fewer, and the cost model has no term for calls

_AT = PLACE[:3]  # origin, machine_hash, preset
PAIR_COLUMNS = [*_AT, "run_id", "machine", "n_parameters", "started_at", "ours", "theirs", "seconds", "their_seconds",
                *Ratio.__dataclass_fields__]  # fmt: skip
SCALING_COLUMNS = [*_AT, "run_id", "machine", "n_parameters", "started_at", "variant", "devices", "batch_size",
                   "seconds", "one_seconds", "tokens_per_second", *Ratio.__dataclass_fields__]  # fmt: skip


def accelerator_summary(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """:func:`bench.statistics.summary.cell_summary` of the rows that accelerators computed, this project's and rivals'.

    Returns:
        its columns, and of the protocol ``batch_size``, ``is_exact`` (arithmetic in float32) and ``is_preset`` (the
        preset's own batch); of the variant ``devices``.
    """
    summary = cell_summary(of_accelerators(runs), steps, ("bench", "peer"))
    protocols = [json.loads(str(text)) for text in summary["protocol"]]
    sizes = [fields.get("batch_size") for fields in protocols]
    own = [
        preset in PRESETS and size == PRESETS[preset].train.batch_size
        for preset, size in zip(summary["preset"], sizes, strict=True)
    ]
    names = zip(summary["variant"], summary["resolved_variant"], strict=True)
    return summary.assign(
        batch_size=sizes,
        is_exact=pd.Series([fields.get("dtype") == "float32" for fields in protocols], summary.index, dtype=bool),
        is_preset=pd.Series(own, summary.index, dtype=bool),
        devices=[device_count(str(name if pd.isna(resolved) else resolved)) for name, resolved in names],
    )


def alike(summary: pd.DataFrame) -> pd.DataFrame:
    """The cells that do a preset's own work in float32 on one device: those that can be compared."""
    return summary[summary["is_exact"] & summary["is_preset"] & (summary["devices"] == 1)]


# ---- beside PyTorch --------------------------------------------------------------------------------------


def torch_pairs(summary: pd.DataFrame) -> pd.DataFrame:
    """Our fastest variant beside the fastest PyTorch at each preset, from the run that speaks for the preset.

    That is the one with a clean checkout before others, six rounds before fewer, the newest before older ones.

    Args:
        summary: of :func:`accelerator_summary`.

    Returns:
        columns ``PAIR_COLUMNS``; the ratio is theirs over ours. Published places first, then by model size.
    """
    compared = alike(summary)
    found: dict[tuple[Any, ...], tuple[tuple[Any, ...], dict[str, Any]]] = {}
    for _, group in compared[compared["n_rounds"] > 0].groupby([*_AT, "protocol_hash", "run_id"], sort=False):
        ours, theirs = (
            _fastest(group[group["engine"] == ACCELERATED]),
            _fastest(group[group["variant"].isin(ACCELERATOR_PEERS)]),
        )
        if ours is None or theirs is None:
            continue
        ratio = ratio_of_rounds(ours["round_times"], theirs["round_times"])
        clean = ours["origin"] != "published" or not ours["dirty"]
        rank = (clean, ratio.n_rounds >= MIN_ROUNDS, ours["started_at"])
        place = tuple(ours[name] for name in _AT)
        if place not in found or rank > found[place][0]:
            found[place] = (rank, _pair(ours, theirs, ratio))
    rows = pd.DataFrame([row for _, row in found.values()], columns=PAIR_COLUMNS)
    order = rows.assign(unpublished=rows["origin"] != "published")
    by = ["unpublished", "machine_hash", "n_parameters"]
    return order.sort_values(by, kind="stable", ignore_index=True)[PAIR_COLUMNS]


def _fastest(group: pd.DataFrame) -> pd.Series | None:
    return None if group.empty else group.sort_values("median_step_seconds", kind="stable").iloc[0]


def _pair(ours: pd.Series, theirs: pd.Series, ratio: Ratio) -> dict[str, Any]:
    shared = {name: ours[name] for name in (*_AT, "run_id", "machine", "n_parameters", "started_at")}
    seconds = {"seconds": ours["median_step_seconds"], "their_seconds": theirs["median_step_seconds"]}
    return shared | {"ours": ours["variant"], "theirs": theirs["variant"]} | seconds | asdict(ratio)


def from_speaking_runs(summary: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Cells without those that the run speaking for their preset measured as well.

    Args:
        summary: of :func:`accelerator_summary`.
        pairs: of :func:`torch_pairs`.
    """
    speaks = {tuple(row[:3]): row[3] for row in pairs[[*_AT, "run_id"]].itertuples(index=False, name=None)}
    measured = summary[summary["n_rounds"] > 0]
    known = set(measured[[*_AT, "variant", "run_id"]].itertuples(index=False, name=None))
    kept = []
    for *place, variant, run in summary[[*_AT, "variant", "run_id"]].itertuples(index=False, name=None):
        speaker = speaks.get(tuple(place), run)
        kept.append(run == speaker or (*place, variant, speaker) not in known)
    return summary[pd.Series(kept, index=summary.index, dtype=bool)]


# ---- beside a processor ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """Where one curve of step time over parameters meets another, between two presets that both measured.

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
                [PRESETS[name].model.n_parameters for name in (before, after)],
                [ours[name] for name in (before, after)],
            )
        )
        size, time = (math.exp(ends[0] + part * (ends[1] - ends[0])) for ends in (sizes, times))
        found.append(Crossing(before, after, size, time, ahead=high > 0))
    return tuple(found)


def common_presets(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    """The presets that two curves share, smallest first."""
    return [name for name in PRESETS if name in ours and name in theirs]


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


def scaling(summary: pd.DataFrame) -> pd.DataFrame:
    """Several devices over one: cells of engine ``jax`` with equal batches, measured in one run.

    Args:
        summary: of :func:`accelerator_summary`.

    Returns:
        columns ``SCALING_COLUMNS``, a row for each mesh of more than one device; the ratio is one device's time over
        its own.
    """
    own = summary[(summary["engine"] == ACCELERATED) & summary["is_exact"] & (summary["n_rounds"] > 0)]
    rows = []
    for _, group in own.groupby([*_AT, "protocol_hash", "run_id"], sort=False):
        one = _fastest(group[group["devices"] == 1])
        if one is None:
            continue
        for _, row in group[group["devices"] > 1].iterrows():
            ratio = ratio_of_rounds(row["round_times"], one["round_times"])
            kept = {name: row[name] for name in SCALING_COLUMNS if name in row.index and name != "n_rounds"}
            times = {"seconds": row["median_step_seconds"], "one_seconds": one["median_step_seconds"]}
            rows.append(kept | times | asdict(ratio))
    frame = pd.DataFrame(rows, columns=SCALING_COLUMNS)
    order = ["machine_hash", "n_parameters", "batch_size", "devices", "started_at"]
    return frame.sort_values(order, kind="stable", ignore_index=True)
