"""Forecasts of a training run's loss from the runs on record, each with a spread that the record has shown.

    loss     a recorded run's curve at that many tokens, of the preset itself or of another one (borrowed)
    spread   residual + size · |log2 of the parameters' ratio| + beyond · distance

``distance`` counts doublings of tokens from the nearest held-out evaluation, so a spread never shrinks on the way out.
Of each preset's longest run on the text, the forecast takes the one with the smallest spread.
The rates are the record's: every run is predicted by its own first parts and by the runs of other presets.
"""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.planning.loss_curve import MIN_EVALUATIONS, LossCurve, fit_loss_curve
from bench.records.protocol import reads_bytes
from bench.records.store import stored_runs
from bench.statistics.training_parts import CLINIC
from tinygpt.presets import LADDER, PRESETS
from tinygpt.schedule import falls, optimizer_text

NOMINAL = 0.9  # share of the errors on record that a spread covers
OWN_REACH, BORROWED_REACH = 16.0, 4.0  # times a run's tokens; no curve is used beyond
_FEW_RUNS = 10  # so many runs show the error that one of ten exceeds; of fewer the largest error counts
_LEAST_DISTANCE = 0.25  # doublings of tokens; a shorter way says nothing about the cost of a doubling
_MOST_ALIKE = 20
_CUTS = 3  # first parts of a run that predict its rest
_EARLIEST_STEP, _EARLY_GROWTH, _EARLY_WINDOW = 10, 1.25, 0.2  # the windows over which training losses are averaged


@dataclass(frozen=True)
class Forecast:
    """An expected held-out loss.

    Attributes:
        loss: nats per byte.
        spread: to both sides.
        source: preset of the run whose curve it is.
        stretch: tokens over those of that run; above 1 beyond its end.
        bought: how far the curve falls between the run's end and these tokens; 0 inside the run.
    """

    loss: float
    spread: float
    source: str
    stretch: float = 1.0
    bought: float = 0.0

    @property
    def caveat(self) -> str:
        """A clause if the interval is wider than the fall in loss beyond the run's end, else empty."""
        if round(self.stretch, 1) <= 1.0 or 2.0 * self.spread <= self.bought:
            return ""
        return f"the tokens beyond that run's end buy {self.bought:.2f}, less than the {2.0 * self.spread:.2f} it spans"

    def __str__(self) -> str:
        return f"{self.loss:.2f} ± {max(self.spread, 0.01):.2f}"


@dataclass(frozen=True)
class CannotTell:
    """The reason why the record gives no forecast, and the command that records a run which would."""

    reason: str
    command: str

    def __str__(self) -> str:
        return f"cannot tell: {self.reason}; to record a run: {self.command}"


@dataclass(frozen=True)
class TrainedRun:
    """A recorded training run.

    Attributes:
        recipe: learning rate, optimizer, and whether the batch is the preset's own.
        tokens: read before each evaluation.
        losses: held-out, at each of them.
        curves: fitted to some first parts of the run, and last to all of it.
    """

    cell_id: str
    preset: str
    corpus: str
    recipe: tuple[object, ...]
    tokens: tuple[float, ...]
    losses: tuple[float, ...]
    curves: tuple[LossCurve, ...]


def trained_runs(runs: pd.DataFrame, steps: pd.DataFrame, falling: bool = False) -> list[TrainedRun]:
    """Return the recorded runs of known presets that have a curve, longest first.

    Runs of all machines count, because a loss depends on the machine only in its last digits. Runs whose rate falls
    count only if asked for: the losses on the way to their end say nothing about shorter runs. Of runs that differ in
    nothing but their seed and length, the newest ``_MOST_ALIKE`` count: fitting a curve takes milliseconds.
    """
    trained = runs[(runs["kind"] == "train") & (runs["suite"] != CLINIC) & runs["preset"].isin([*LADDER])]
    by_cell = dict([*steps[steps["cell_id"].isin(trained["cell_id"])].groupby("cell_id")])
    found = []
    alike: Counter[object] = Counter()
    for run in reversed(stored_runs(trained)):
        fields = json.loads(run.protocol)
        if not reads_bytes(fields):
            continue
        optimizer = str(fields.get("optimizer"))
        # The rows of a resumed run begin at the end of its first part; steps are counted over the whole run.
        rows = by_cell.get(run.cell_id, steps.head(0)).sort_values("step")
        evaluated = rows[rows["held_out_loss"].notna()]
        if len(evaluated) < MIN_EVALUATIONS or (falls(optimizer) and not falling):
            continue
        own_batch = fields.get("batch_size") == LADDER[run.preset].train.batch_size
        recipe = (fields.get("learning_rate"), optimizer, own_batch)
        alike[run.preset, run.corpus, recipe] += 1
        if alike[run.preset, run.corpus, recipe] > _MOST_ALIKE:
            continue
        tokens = tuple((evaluated["step"] * float(run.tokens_per_step)).tolist())
        losses = tuple(evaluated["held_out_loss"].tolist())
        early = _early_losses(rows, evaluated["step"].min(), run.tokens_per_step)
        ends = {*np.geomspace(MIN_EVALUATIONS, len(tokens) - 0.5, _CUTS).astype(int), len(tokens)}
        fits = [fit_loss_curve(tokens[:end], losses[:end], early) for end in sorted(ends)]
        if fits[-1]:
            curves = tuple(fit for fit in fits if fit)
            found.append(TrainedRun(run.cell_id, run.preset, str(run.corpus), recipe, tokens, losses, curves))
    found.reverse()
    return sorted(found, key=lambda run: -run.tokens[-1])


def _early_losses(rows: pd.DataFrame, until: float, tokens_per_step: int) -> list[tuple[float, float]]:
    """Average the training losses around steps up to the first evaluation: tokens and loss, rising."""
    numbers, losses = rows["step"].to_numpy(np.float64), rows["loss"].to_numpy(np.float64)
    begin = min(_EARLIEST_STEP, until)
    around = np.geomspace(begin, until, 2 + int(math.log(until / begin, _EARLY_GROWTH)))
    windows = ((step, np.abs(numbers - step) <= _EARLY_WINDOW * step) for step in around)
    return [(float(step) * tokens_per_step, float(losses[near].mean())) for step, near in windows if near.any()]


class Miss(NamedTuple):
    """The error of one prediction on record, and how far it had to reach.

    Attributes:
        source: cell_id of the run whose curve predicts.
        target: cell_id of the run that is predicted; the same if its first part predicts it.
        doublings: of parameters, between the two.
        distance: doublings of tokens, from the nearest that the curve was fitted to.
        error: in nats per byte.
        residual: of the curve.
    """

    source: str
    target: str
    doublings: float
    distance: float
    error: float
    residual: float


@dataclass(frozen=True)
class Rates:
    """The cost of distance, in nats per doubling; infinite where the record is silent.

    Attributes:
        beyond: of tokens.
        size: of parameters.
    """

    beyond: float
    size: float

    def spread(self, residual: float, doublings: float, distance: float) -> float:
        """Return the spread of a curve so many doublings of parameters and tokens away."""
        costs = ((self.size, doublings), (self.beyond, distance))
        return residual + sum(rate * doubled for rate, doubled in costs if doubled)


def fit_rates(misses: Sequence[Miss]) -> Rates:
    """Return the rates that cover nine of ten errors, or all of them where fewer than ten runs were predicted.

    A run's own first parts predict little more than one doubling of tokens; other runs' curves reach further, and the
    larger of the two rates counts for both.
    """
    over = [(miss, miss.error - miss.residual) for miss in misses]
    size = _covering([(m.target, extra / m.doublings) for m, extra in over if m.doublings and not m.distance])
    away = [(m, extra) for m, extra in over if m.distance >= _LEAST_DISTANCE]
    own = [(m.target, extra / m.distance) for m, extra in away if not m.doublings]
    far = [(m.target, (extra - size * m.doublings) / m.distance) for m, extra in away if m.doublings]
    return Rates(max((_covering(rates) for rates in (own, far) if rates), default=math.inf), size)


def _covering(rates: Sequence[tuple[str, float]]) -> float:
    if not rates:
        return math.inf
    few = len({run for run, _ in rates}) < _FEW_RUNS
    return max(0.0, float(np.quantile([rate for _, rate in rates], 1.0 if few else NOMINAL, method="higher")))


def misses_on_record(runs: Sequence[TrainedRun]) -> list[Miss]:
    """Predict each run's evaluations from its first parts, and from the other runs on its text with its recipe."""
    found = []
    for run in runs:
        same = [other for other in runs if (other.corpus, other.recipe) == (run.corpus, run.recipe) and other != run]
        sources = [(run, curve) for curve in run.curves[:-1]] + [(other, other.curves[-1]) for other in same]
        for source, curve in sources:
            apart, reach = _apart_and_reach(source.preset, run.preset)
            for tokens, truth in zip(run.tokens, run.losses, strict=True):
                distance = curve.distance(tokens)
                if tokens <= reach * curve.last_tokens and (distance or apart):
                    error = abs(curve.at(tokens) - truth)
                    found.append(Miss(source.cell_id, run.cell_id, apart, distance, error, curve.residual))
    return found


def left_out_spreads(misses: Sequence[Miss]) -> list[tuple[Miss, float]]:
    """Return each miss with the spread that is stated for it while the predicted run is not on record, if one is."""
    found = []
    for run in dict.fromkeys(miss.target for miss in misses):
        rates = fit_rates([miss for miss in misses if run not in (miss.source, miss.target)])
        own = [miss for miss in misses if miss.target == run]
        found += [(miss, rates.spread(miss.residual, miss.doublings, miss.distance)) for miss in own]
    return [(miss, spread) for miss, spread in found if math.isfinite(spread)]


def differences_of_texts(runs: Sequence[TrainedRun]) -> list[tuple[str, float]]:
    """Return runs and their losses' distances from those on other texts, at one preset, rate and tokens."""
    return [
        (run.cell_id, abs(other.curves[-1].at(tokens) - loss))
        for run in runs
        for other in runs
        if (run.preset, run.recipe[0]) == (other.preset, other.recipe[0]) and run.corpus != other.corpus
        for tokens, loss in zip(run.tokens, run.losses, strict=True)
        if not other.curves[-1].distance(tokens)
    ]


def forecast(
    runs: Sequence[TrainedRun], rates: Rates, preset: str, corpus: str, tokens: float
) -> Forecast | CannotTell:
    """Return the forecast with the smallest spread, or the reason why there is none and the command that helps.

    Args:
        runs: on record, longest first.
        preset: to train with its own settings.
        tokens: to read, at least 1.
    """
    train = PRESETS[preset].train
    recipe = (train.learning_rate, optimizer_text(train), True)
    same = [run for run in runs if (run.corpus, run.recipe) == (corpus, recipe)]
    found = []
    for run in {run.preset: run for run in reversed(same)}.values():  # each preset's longest
        (apart, reach), curve = _apart_and_reach(run.preset, preset), run.curves[-1]
        # Before the first evaluation the curve follows training losses, and no held-out loss has confirmed it there.
        distance = max(curve.distance(tokens), math.log2(curve.first_tokens / tokens))
        spread, stretch = rates.spread(curve.residual, apart, distance), tokens / curve.last_tokens
        if stretch <= reach and math.isfinite(spread):
            loss = curve.at(tokens)
            bought = curve.at(curve.last_tokens) - loss if stretch > 1.0 else 0.0
            found.append(Forecast(loss, spread, run.preset, stretch, bought))
    if found:
        return min(found, key=lambda one: one.spread)
    steps = math.ceil(tokens / BORROWED_REACH / PRESETS[preset].tokens_per_step)
    command = (
        f"invoke train --preset {shlex.quote(preset)} --corpus {corpus} --recipe constant --steps {steps} --record"
    )
    return CannotTell(_why_not(same, preset, corpus, tokens), command)


def _apart_and_reach(source: str, preset: str) -> tuple[float, float]:
    """Return the doublings of parameters between two presets, and how many times its tokens a curve reaches.

    Another preset is at least one doubling away, because its shape and batch differ too.
    """
    if source == preset:
        return 0.0, OWN_REACH
    ratio = PRESETS[preset].model.n_parameters / PRESETS[source].model.n_parameters
    return max(1.0, abs(math.log2(ratio))), BORROWED_REACH


def _why_not(same: Sequence[TrainedRun], preset: str, corpus: str, tokens: float) -> str:
    if not same:
        return f"no run on {corpus} at the preset's settings is on record"
    longest = next((run for run in same if run.preset == preset), same[0])
    stretch, reach = tokens / longest.tokens[-1], _apart_and_reach(longest.preset, preset)[1]
    if stretch > reach:
        return f"{stretch:.0f} times the tokens of the run of {longest.preset}, whose curve holds to {reach:.0f} times"
    return f"no two presets were trained on one text, so what a curve of {longest.preset} costs is unknown"
