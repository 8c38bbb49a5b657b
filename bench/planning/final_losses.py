"""Expected losses at the end of runs whose rate falls to nothing, from the ends of such runs on record.

    loss     between two recorded lengths on a log scale of tokens; up to four times beyond them along the nearest
             slope; of a preset with a single length along the median slope of the others
    spread   twice the seeds' standard deviation, plus the largest error of a length that is left out, plus all that
             the slope gains beyond the recorded lengths: from no further gain to twice the gain

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
from bench.records.grouping import grouped
from bench.records.protocol import reads_bytes
from bench.records.store import stored_runs
from bench.statistics.training_parts import CLINIC
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES, WARMUP_STEPS
from tinygpt.schedule import optimizer_text

REACH = 4.0  # times the shortest or longest recorded tokens
_NEAREST, _LEAST = 5, 3  # runs that show the way to the end
_LEAST_SPREAD = 0.02
_PARTS = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True, eq=False)
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
    run_id: str = ""


def ends_of_runs(runs: pd.DataFrame, steps: pd.DataFrame, recipe: str) -> list[EndOfRun]:
    """Return the ends of the runs on record with a recipe, at the presets' batch and the rule's rate; any dropout."""
    trained = runs[(runs["kind"] == "train") & (runs["status"] == "ok") & (runs["suite"] != CLINIC)]
    trained = trained[trained["held_out_loss"].notna()]
    by_cell = dict([*steps[steps["cell_id"].isin(trained["cell_id"])].groupby("cell_id")])
    found = []
    for run in stored_runs(trained):
        if run.preset not in PRESETS or run.steps_done < WARMUP_STEPS:  # a shorter one was to time its steps
            continue
        preset, fields = PRESETS[run.preset], json.loads(run.protocol)
        if not reads_bytes(fields):
            continue
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
        found.append(EndOfRun(run.preset, str(run.corpus), tokens, last, MappingProxyType(ways), run.run_id))
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


def _slope_at(lengths: Sequence[_Length], tokens: float) -> float:
    """Return nats per doubling of tokens between the two lengths around a number of tokens, or the nearest two."""
    x = [math.log2(length.tokens) for length in lengths]
    index = min(max(1, int(np.searchsorted(x, math.log2(tokens)))), len(x) - 1)
    return (lengths[index].loss - lengths[index - 1].loss) / (x[index] - x[index - 1])


def _along(lengths: Sequence[_Length], tokens: float, slope: float) -> float:
    """Return the loss on the line of this slope through the longest length that is not longer, or the first one."""
    start = max(
        (length for length in lengths if length.tokens <= tokens), key=lambda one: one.tokens, default=lengths[0]
    )
    return start.loss + slope * math.log2(tokens / start.tokens)


def _between(lengths: Sequence[_Length], tokens: float) -> float:
    return _along(lengths, tokens, _slope_at(lengths, tokens))


def forecast_end(ends: Sequence[EndOfRun], preset: str, corpus: str, tokens: float) -> Forecast | CannotTell:
    """Return the expected last loss of a run of a preset, or the reason why there is none."""
    known = {place: _lengths(group) for place, group in grouped(ends, lambda end: (end.preset, end.corpus)).items()}
    lengths = known.get((preset, corpus), [])
    command = f"invoke train --minutes N --preset {preset} --corpus {corpus}"
    if not lengths:
        return CannotTell(f"no run of {preset} on {corpus} is on record with this recipe", command)
    if not lengths[0].tokens / REACH <= tokens <= lengths[-1].tokens * REACH:
        reach = f"{lengths[0].tokens:,.0f} to {lengths[-1].tokens:,.0f} tokens of {preset} on {corpus} are on record"
        return CannotTell(f"{reach}, and this run reads {tokens:,.0f}", command)
    if len(lengths) > 1:
        slope = _slope_at(lengths, tokens)
    else:
        slopes = [_slope_at(others, tokens) for others in known.values() if len(others) > 1]
        if not slopes:
            return CannotTell(
                f"a single length of {preset} on {corpus} is on record, and no two of any preset", command
            )
        slope = float(np.median(slopes))
    left_out = [
        abs(_between([*lengths[:index], *lengths[index + 1 :]], one.tokens) - one.loss)
        for index, one in enumerate(lengths)
        if 0 < index < len(lengths) - 1
    ]
    stretch = tokens / lengths[-1].tokens
    beyond = max(0.0, math.log2(stretch), math.log2(lengths[0].tokens / tokens))
    own = 2.0 * max(length.deviation for length in lengths) + max(left_out, default=_LEAST_SPREAD)
    spread = max(own, _LEAST_SPREAD) + abs(slope) * beyond
    return Forecast(_along(lengths, tokens, slope), spread, preset, max(1.0, stretch))


@dataclass(frozen=True)
class Outlook:
    """The ratio of the last loss to the one at a share of the run: the middle of the record's, and the widest miss."""

    ratio: float
    miss: float


def outlook(ends: Sequence[EndOfRun], share: float, tokens: float) -> Outlook | None:
    """Return the ratio at the nearest tenth, from the runs of any preset and text that read the most similar tokens.

    A short run falls further after a tenth than a long one, so ``_NEAREST`` runs within ``REACH`` times the tokens
    count. None with fewer than ``_LEAST``.
    """
    part = min(_PARTS, key=lambda known: abs(known - share))
    apart = {end: abs(math.log(end.tokens / tokens)) for end in ends if part in end.ways}
    near = sorted((end for end in apart if apart[end] <= math.log(REACH)), key=lambda end: apart[end])[:_NEAREST]
    if len(near) < _LEAST:
        return None
    ratios = np.array([1.0 / end.ways[part] for end in near])
    middle = float(np.median(ratios))
    return Outlook(middle, float(np.abs(ratios - middle).max()))


def left_out_outlooks(ends: Sequence[EndOfRun], share: float) -> list[tuple[str, float, float]]:
    """Predict every run's end from its loss at a share of it and the other runs: its id, the error, the spread."""
    part = min(_PARTS, key=lambda known: abs(known - share))
    found = []
    for end in ends:
        seen = outlook([other for other in ends if other.run_id != end.run_id], share, end.tokens)
        if seen is not None and part in end.ways:
            on_the_way = end.loss * end.ways[part]
            found.append((end.run_id, abs(on_the_way * seen.ratio - end.loss), on_the_way * seen.miss))
    return found
