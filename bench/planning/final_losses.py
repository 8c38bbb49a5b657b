"""Expected losses at the end of runs whose rate falls to nothing, from the ends of such runs on record.

    loss     between two recorded lengths on a log scale of tokens; up to twice beyond them along the nearest slope
    spread   twice the seeds' standard deviation, plus the largest error of a length that is left out

The losses on the way to such an end say nothing about shorter runs, so only ends count. But a run's own evaluations
say how it will end: the ratio of the last loss to one on the way is about the same in runs of about the same length.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from bench.planning.forecast import CannotTell, Forecast
from bench.records.store import stored_runs
from bench.statistics.training_parts import CLINIC
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.schedule import optimizer_text

REACH = 2.0  # times the shortest or longest recorded tokens
_LEAST_SPREAD = 0.02
_PARTS = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True)
class EndOfRun:
    """The end of a recorded run.

    Attributes:
        ways: share of the steps → held-out loss there over the last one, at each tenth that was evaluated.
    """

    preset: str
    corpus: str
    tokens: float
    loss: float
    ways: Mapping[float, float]


def ends_of_runs(runs: pd.DataFrame, steps: pd.DataFrame, recipe: str) -> list[EndOfRun]:
    """Return the ends of the runs on record with a recipe, at the presets' batch and the rule's rate; any dropout."""
    trained = runs[(runs["kind"] == "train") & (runs["status"] == "ok") & (runs["suite"] != CLINIC)]
    trained = trained[trained["held_out_loss"].notna()]
    by_cell = dict([*steps[steps["cell_id"].isin(trained["cell_id"])].groupby("cell_id")])
    found = []
    for run in stored_runs(trained):
        if run.preset not in PRESETS or run.steps_done < 1:
            continue
        preset, fields = PRESETS[run.preset], json.loads(run.protocol)
        train = RECIPES[recipe].apply(preset.train, preset.model, run.steps_done)
        same = _rule(str(fields["optimizer"])) == _rule(optimizer_text(train))
        if not same or any(fields[name] != getattr(train, name) for name in ("learning_rate", "batch_size")):
            continue
        rows = by_cell.get(run.cell_id, steps.head(0))
        rows = rows[rows["held_out_loss"].notna()].sort_values("step")
        last = float(run.held_out_loss or math.nan)
        shares = rows["step"].to_numpy(np.float64) / run.steps_done
        ways = {
            part: float(rows["held_out_loss"].iloc[int(np.abs(shares - part).argmin())]) / last
            for part in _PARTS
            if len(shares) and np.abs(shares - part).min() < 0.03
        }
        tokens = float(run.steps_done) * run.tokens_per_step
        found.append(EndOfRun(run.preset, str(run.corpus), tokens, last, MappingProxyType(ways)))
    return found


def _rule(optimizer: str) -> str:
    """Return an update rule in words without its dropout and its numbers of updates."""
    return re.sub(r"; dropout [^;]*| over \d+ updates| (at update|after) [^;]*", "", optimizer)


@dataclass(frozen=True)
class _Length:
    """The runs of one length: tokens, mean loss, and the seeds' standard deviation."""

    tokens: float
    loss: float
    deviation: float


def _lengths(ends: Sequence[EndOfRun]) -> list[_Length]:
    """Group ends of equal tokens, within a twentieth."""
    groups: list[list[EndOfRun]] = []
    for end in sorted(ends, key=lambda one: one.tokens):
        if groups and end.tokens < 1.05 * groups[-1][0].tokens:
            groups[-1].append(end)
        else:
            groups.append([end])
    return [
        _Length(
            float(np.exp(np.mean([math.log(end.tokens) for end in group]))),
            float(np.mean([end.loss for end in group])),
            float(np.std([end.loss for end in group], ddof=1)) if len(group) > 1 else 0.0,
        )
        for group in groups
    ]


def _between(lengths: Sequence[_Length], tokens: float) -> float:
    x = [math.log(length.tokens) for length in lengths]
    y = [length.loss for length in lengths]
    index = min(max(1, int(np.searchsorted(x, math.log(tokens)))), len(x) - 1)
    slope = (y[index] - y[index - 1]) / (x[index] - x[index - 1])
    return y[index - 1] + slope * (math.log(tokens) - x[index - 1])


def forecast_end(ends: Sequence[EndOfRun], preset: str, corpus: str, tokens: float) -> Forecast | CannotTell:
    """Return the expected last loss of a run of a preset, or the reason why there is none."""
    lengths = _lengths([end for end in ends if (end.preset, end.corpus) == (preset, corpus)])
    command = f"invoke train --minutes N --preset {preset} --corpus {corpus}"
    if len(lengths) < 2:
        return CannotTell(f"fewer than two lengths of {preset} on {corpus} are on record with this recipe", command)
    if not lengths[0].tokens / REACH <= tokens <= lengths[-1].tokens * REACH:
        reach = f"{lengths[0].tokens:,.0f} to {lengths[-1].tokens:,.0f} tokens of {preset} on {corpus} are on record"
        return CannotTell(f"{reach}, and this run reads {tokens:,.0f}", command)
    left_out = [
        abs(_between([*lengths[:index], *lengths[index + 1 :]], one.tokens) - one.loss)
        for index, one in enumerate(lengths)
        if 0 < index < len(lengths) - 1
    ]
    spread = 2.0 * max(length.deviation for length in lengths) + max(left_out, default=_LEAST_SPREAD)
    stretch = max(1.0, tokens / lengths[-1].tokens)
    return Forecast(_between(lengths, tokens), max(spread, _LEAST_SPREAD), preset, stretch)


@dataclass(frozen=True)
class Outlook:
    """The ratio of the last loss to the one at a share of the run: the middle of the record's, and the widest miss."""

    ratio: float
    miss: float


def outlook(ends: Sequence[EndOfRun], share: float, tokens: float) -> Outlook | None:
    """Return the ratio at the nearest tenth, from runs of any preset and text that read about as many tokens.

    A short run falls further after a tenth than a long one. None with fewer than three runs within ``REACH``.
    """
    part = min(_PARTS, key=lambda known: abs(known - share))
    near = [end for end in ends if tokens / REACH <= end.tokens <= tokens * REACH]
    ratios = [1.0 / end.ways[part] for end in near if part in end.ways]
    if len(ratios) < 3:
        return None
    middle = float(np.median(ratios))
    return Outlook(middle, float(np.max(np.abs(np.array(ratios) - middle))))
