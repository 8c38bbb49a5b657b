"""Seconds of a step from its work, fitted to the presets that were measured:

    seconds = overhead · calls + FLOPs / rate + bytes / bandwidth

Fit. Every coefficient is at least 0 (Lawson & Hanson 1974, NNLS), and what is minimised is the sum of squared
*relative* errors: a preset of 5 ms counts as much as one of 5 s. At least one more preset than terms is
asked for, so few presets get a smaller model: FLOPs alone with two or three, the overhead with four, all from five.

Error. Each preset is left out in turn, the rest is fitted, and the one that was left out is predicted. The largest
|log(predicted / measured)| is the model's error. The two presets at the ends are predicted from one side, so this
tests extrapolation as well as filling a gap.

Band. Around a projection it is the largest error of the three left-out presets that are nearest in FLOPs, at least
10 % (shared machines drift by that much between runs), times (1 + decades of FLOPs by which the projection lies
outside the measured range). That the error grows in this way is an assumption, not a finding.

The three terms grow alike over the presets, so their coefficients are not estimates of the machine's rates: a fit may
give one of them nothing. Their sum is what is tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from bench.arms.step_work import Work, step_work
from bench.arms.variants import engine_name
from bench.records.protocol import canonical_json, sha256_text
from tinygpt.presets import LADDER, PRESETS

MIN_PRESETS = 2
LEAST_LOG_ERROR = math.log(1.1)
_NEIGHBOURS = 3

# Terms in the order in which a model grows, with the fewest presets that each needs.
_TERMS = (("flops", 2), ("calls", 4), ("bytes", 5))


@dataclass(frozen=True)
class LeftOut:
    """One preset, predicted by the model that was fitted without it."""

    preset: str
    measured_seconds: float
    predicted_seconds: float

    @property
    def relative_error(self) -> float:
        """predicted / measured − 1."""
        return self.predicted_seconds / self.measured_seconds - 1.0

    @property
    def log_error(self) -> float:
        """|log(predicted / measured)|."""
        return abs(math.log(self.predicted_seconds / self.measured_seconds))


@dataclass(frozen=True)
class Estimate:
    """A step's time with its band."""

    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class CostModel:
    """A fitted model of one engine variant on one machine.

    Attributes:
        overhead: seconds per array operation; 0 if the term is absent or unused.
        measured: preset → median step seconds that the fit rests on.
        left_out: the cross-validation, a row per preset.
    """

    variant: str
    overhead: float
    seconds_per_flop: float
    seconds_per_byte: float
    measured: Mapping[str, float]
    left_out: tuple[LeftOut, ...]

    @property
    def log_error(self) -> float:
        """Largest |log(predicted / measured)| of the presets that were left out."""
        return max(row.log_error for row in self.left_out)

    @property
    def largest_error(self) -> float:
        """Largest relative error of the presets that were left out, without its sign."""
        return max(abs(row.relative_error) for row in self.left_out)

    @property
    def median_error(self) -> float:
        """Median relative error of the presets that were left out, without its sign."""
        return float(np.median([abs(row.relative_error) for row in self.left_out]))

    @property
    def id(self) -> str:
        """Names the model: a hash of its variant and of everything that it was fitted to."""
        return sha256_text(canonical_json({"variant": self.variant, "measured": dict(self.measured)}))[:8]

    def terms(self, preset: str) -> dict[str, float]:
        """Seconds that each term contributes to a preset's step: ``calls``, ``flops`` and ``bytes``."""
        work = _work(self.variant, preset)
        return {
            "calls": self.overhead * work.calls,
            "flops": self.seconds_per_flop * work.flops,
            "bytes": self.seconds_per_byte * work.bytes,
        }

    def estimate(self, preset: str) -> Estimate:
        """A preset's step, with the band described at the top of this file."""
        work = _work(self.variant, preset)
        seconds = sum(self.terms(preset).values())
        distances = [math.log10(work.flops / _work(self.variant, row.preset).flops) for row in self.left_out]
        outside = max(0.0, min(distances), -max(distances))  # decades beyond the nearest end
        nearest = sorted(zip(distances, self.left_out, strict=True), key=lambda pair: abs(pair[0]))[:_NEIGHBOURS]
        error = max(LEAST_LOG_ERROR, *(row.log_error for _, row in nearest))
        factor = math.exp(error * (1.0 + outside))
        return Estimate(seconds, seconds / factor, seconds * factor)


def fit_cost_model(variant: str, measured: Mapping[str, float]) -> CostModel | None:
    """Fit one variant's measured presets.

    Args:
        measured: preset → median step seconds, all of one machine and above 0.

    Returns:
        None with fewer than ``MIN_PRESETS`` presets: nothing could be left out.
    """
    ladder = {name: float(measured[name]) for name in LADDER if name in measured}
    if len(ladder) < MIN_PRESETS:
        return None
    terms = [term for term, least in _TERMS if len(ladder) >= least]
    values = _solve(variant, ladder, terms)
    left_out = tuple(_leave_out(variant, ladder, name, terms) for name in ladder)
    return CostModel(
        variant,
        overhead=values.get("calls", 0.0),
        seconds_per_flop=values["flops"],
        seconds_per_byte=values.get("bytes", 0.0),
        measured=ladder,
        left_out=left_out,
    )


def _work(variant: str, preset: str) -> Work:
    entry = PRESETS[preset]
    return step_work(engine_name(variant), entry.model, entry.train)


def _row(variant: str, preset: str, terms: Sequence[str]) -> list[float]:
    work = _work(variant, preset)
    return [getattr(work, term) for term in terms]


def _solve(variant: str, measured: Mapping[str, float], terms: Sequence[str]) -> dict[str, float]:
    """Coefficients of the terms: min Σ (x β / y − 1)², β ≥ 0."""
    x = np.array([_row(variant, name, terms) for name in measured]) / np.array(list(measured.values()))[:, None]
    scale = x.max(axis=0)  # FLOPs are 10⁹ times as many as calls: columns of one size keep the solver exact
    solution, _ = nnls(x / scale, np.ones(len(measured)))
    return dict(zip(terms, (float(value) for value in solution / scale), strict=True))


def _leave_out(variant: str, measured: Mapping[str, float], name: str, terms: Sequence[str]) -> LeftOut:
    rest = {other: seconds for other, seconds in measured.items() if other != name}
    values = _solve(variant, rest, terms)
    predicted = sum(values[term] * amount for term, amount in zip(terms, _row(variant, name, terms), strict=True))
    return LeftOut(name, measured[name], predicted)
