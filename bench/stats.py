"""Medians, intervals and ratios, computed when rows are read and never stored.

Centre and interval of a cell.  With at least six rounds the observations are the medians of the rounds: rounds are
independent processes, steps within one are not. With fewer, they are the measured steps themselves, and the column
``interval_basis`` says ``steps``: such an interval shows the jitter within processes, not the drift between them.

Interval.  Order statistics (the sign test turned round): for sorted x_1 ≤ … ≤ x_n the median lies between x_k and
x_{n+1−k} with probability 1 − 2 P(Binomial(n, ½) < k), whatever the distribution. The largest k that keeps 95 % is
taken; six observations are the fewest that can. Nothing is resampled.

Grouping.  One run of the pipeline is one sample: rounds of different runs may have been measured at different commits
and are never pooled. Which run speaks for a cell is decided in ``bench.newest``.

Ratio.  Both sides come from one run of the pipeline on one machine under one protocol. With at least six rounds that
both have, it is the median of log(t_baseline / t_engine) over rounds, with its interval; with fewer, the ratio of
the medians, and the interval goes from the extremes of both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from bench.protocol import require_same

CONFIDENCE = 0.95
MIN_ROUNDS = 6  # the fewest observations whose extremes hold the median with 95 %

RoundTimes = dict[int, np.ndarray]  # round → seconds of the measured steps

GROUP = ["origin", "machine_hash", "protocol_hash", "run_id", "variant", "preset"]


@dataclass(frozen=True)
class Interval:
    """A median with the interval that holds it.

    Attributes:
        median: centre of the observations.
        low: lower end.
        high: upper end.
        coverage: probability that such an interval holds the true median; below 0.95 for few observations.
    """

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Median and its order-statistics interval.

    Args:
        values: observations (n,), n at least 1, finite.
        confidence: coverage wanted. If n is too small for it, the extremes are taken and the coverage says so.
    """
    x = np.sort(np.asarray(values, np.float64))
    n = len(x)
    # Largest k with P(Binomial(n, 1/2) < k) ≤ (1 − confidence) / 2; positions are counted from 1.
    k = max(1, int(np.sum(binom.cdf(np.arange(n // 2), n, 0.5) <= (1.0 - confidence) / 2.0)))
    coverage = max(0.0, 1.0 - 2.0 * float(binom.cdf(k - 1, n, 0.5)))
    return Interval(float(np.median(x)), float(x[k - 1]), float(x[n - k]), coverage)


# ---- cells ---------------------------------------------------------------------------------------------

_SUMMARY_COLUMNS = [
    *GROUP,
    "engine",
    "corpus",
    "commit",
    "dirty",
    "suite",
    "status",
    "n_attempts",
    "n_failed",
    "n_rounds",
    "n_steps",
    "median_step_seconds",
    "low_step_seconds",
    "high_step_seconds",
    "interval_basis",
    "interval_coverage",
    "tokens_per_step",
    "tokens_per_second",
    "peak_memory_bytes",
    "setup_seconds",
    "loss_drift",
    "n_parameters",
    "limit_seconds",
    "wall_seconds",
    "resolved_variant",
    "started_at",
    "command",
    "error_tail",
    "protocol",
    "machine",
    "round_times",
]


_FROM_NEWEST = ("corpus", "commit", "suite", "limit_seconds", "resolved_variant")


def cell_summary(runs: pd.DataFrame, steps: pd.DataFrame, kinds: Collection[str] = ("bench",)) -> pd.DataFrame:
    """One row for each engine variant and preset that a run tried, per origin, machine and protocol.

    Args:
        runs: the table ``runs``.
        steps: the table ``steps``.
        kinds: of the rows that are summarized, one or several; others are left out.

    Returns:
        the group's keys (``origin``, ``machine_hash``, ``protocol_hash``, ``run_id``, ``variant``, ``preset``), and:
        ``status`` (ok if any round is, else the newest failure's), ``n_attempts``, ``n_failed`` (a cell that somebody
        stopped and that was measured when the run went on is neither), ``n_rounds`` and ``n_steps`` that are ok,
        ``median_step_seconds`` with ``low_step_seconds`` and ``high_step_seconds`` (NaN
        without an ok round), ``interval_basis`` (``rounds`` or ``steps``), ``interval_coverage``,
        ``tokens_per_second`` (of the median), ``peak_memory_bytes`` (largest of the rounds), ``setup_seconds``
        (median), ``error_tail`` (newest failure's), ``round_times`` ({round: step times, s}), and the newest row's
        ``command``, ``commit``, ``suite``, ``limit_seconds``, ``resolved_variant``, ``started_at``, ``protocol`` and
        ``machine``. ``dirty`` is true if it is for any row, ``wall_seconds`` the longest of the processes. Ordered by
        model size, then variant, then time.
    """
    bench = runs[runs["kind"].isin([kinds] if isinstance(kinds, str) else [*kinds])]
    if "origin" not in bench:
        bench = bench.assign(origin="local")
    if bench.empty:
        return pd.DataFrame(columns=_SUMMARY_COLUMNS)
    measured = steps[~steps["is_warmup"].astype(bool)]
    seconds = {str(key): group.to_numpy(np.float64) for key, group in measured.groupby("cell_id")["seconds"]}
    rows = [
        _summarize(dict(zip(GROUP, key, strict=True)), group.sort_values("started_at"), seconds)
        for key, group in bench.groupby(GROUP, sort=False)
    ]
    summary = pd.DataFrame(rows, columns=_SUMMARY_COLUMNS)
    return summary.sort_values(["n_parameters", "variant", "started_at"], kind="stable", ignore_index=True)


def _summarize(key: dict[str, Any], group: pd.DataFrame, seconds: dict[str, np.ndarray]) -> dict[str, Any]:
    ok = group[group["status"] == "ok"]
    group = group[(group["status"] != "interrupted") | ~group["round"].isin(ok["round"])]
    failed = group[group["status"] != "ok"]
    newest = (group if ok.empty else ok).iloc[-1]
    times = {
        int(number): seconds[str(cell_id)]
        for number, cell_id in zip(ok["round"], ok["cell_id"], strict=True)
        if str(cell_id) in seconds
    }
    round_seconds = {name: float(np.median(values)) for name, values in times.items()}
    by_rounds = len(round_seconds) >= MIN_ROUNDS
    pooled = list(round_seconds.values()) if by_rounds else [float(t) for values in times.values() for t in values]
    interval = median_interval(pooled) if pooled else Interval(math.nan, math.nan, math.nan, math.nan)
    return key | {
        "engine": newest["engine"],
        **{name: newest[name] for name in _FROM_NEWEST},
        "dirty": bool((group["dirty"].map(lambda dirty: dirty is True)).any()),
        "status": "ok" if round_seconds else str(newest["status"]),
        "n_attempts": len(group),
        "n_failed": len(failed),
        "n_rounds": len(round_seconds),
        "n_steps": sum(len(values) for values in times.values()),
        "median_step_seconds": interval.median,
        "low_step_seconds": interval.low,
        "high_step_seconds": interval.high,
        "interval_basis": "rounds" if by_rounds else "steps",
        "interval_coverage": interval.coverage,
        "tokens_per_step": int(newest["tokens_per_step"]),
        "tokens_per_second": int(newest["tokens_per_step"]) / interval.median,
        "peak_memory_bytes": _largest(group if ok.empty else ok, "peak_memory_bytes"),
        "setup_seconds": float(pd.to_numeric(ok["setup_seconds"]).median()) if len(ok) else math.nan,
        "loss_drift": _largest(ok, "loss_drift"),
        "n_parameters": int(newest["n_parameters"]),
        "wall_seconds": _largest(group if ok.empty else ok, "wall_seconds"),
        "started_at": newest["started_at"],
        "command": newest["command"],
        "error_tail": None if failed.empty else failed.iloc[-1]["error_tail"],
        "protocol": newest["protocol"],
        "machine": newest["machine"],
        "round_times": times,
    }


def _largest(group: pd.DataFrame, column: str) -> float:
    return float(pd.to_numeric(group[column]).max()) if len(group) else math.nan


# ---- ratios --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratio:
    """How many times faster an engine is than a baseline.

    Attributes:
        speedup: t_baseline / t_engine.
        speedup_low: lower end of its interval.
        speedup_high: upper end.
        n_rounds: rounds in which both were measured.
        ratio_basis: ``rounds`` (median log-ratio over rounds) or ``steps`` (extremes of both cells' intervals).
    """

    speedup: float
    speedup_low: float
    speedup_high: float
    n_rounds: int
    ratio_basis: str


def ratio(engine: pd.Series, baseline: pd.Series) -> Ratio | None:
    """Ratio of two rows of :func:`cell_summary` that were measured in one run.

    Returns:
        None if their runs differ, or a side has no round that is ok.

    Raises:
        ResultsError: their machines or protocols differ; every differing field is named.
    """
    require_same("protocol", str(baseline["protocol"]), str(engine["protocol"]))
    require_same("machine", str(baseline["machine"]), str(engine["machine"]))
    if engine["run_id"] != baseline["run_id"] or not engine["round_times"] or not baseline["round_times"]:
        return None
    return ratio_of_rounds(engine["round_times"], baseline["round_times"])


def ratio_from(row: Mapping[str, Any]) -> Ratio:
    """A row of :func:`speedups` as a :class:`Ratio` again."""
    return Ratio(**{name: row[name] for name in Ratio.__dataclass_fields__})


def ratio_of_rounds(ours: RoundTimes, theirs: RoundTimes) -> Ratio:
    """t_theirs / t_ours, by rounds of equal number where there are six of them.

    Args:
        ours: step times by round, at least one round.
        theirs: the baseline's; planned rounds may differ (slow engines get one).
    """
    both = sorted(set(ours) & set(theirs))
    if len(both) >= MIN_ROUNDS:
        logs = median_interval([math.log(np.median(theirs[number]) / np.median(ours[number])) for number in both])
        return Ratio(math.exp(logs.median), math.exp(logs.low), math.exp(logs.high), len(both), "rounds")
    a, b = (median_interval(np.concatenate([*side.values()])) for side in (ours, theirs))
    return Ratio(b.median / a.median, b.low / a.high, b.high / a.low, len(both), "steps")


_SPEEDUP_COLUMNS = [*GROUP, "engine", "corpus", "n_parameters", "commit", "dirty", "started_at", "baseline"]


def speedups(summary: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """How many times faster than a baseline every variant is, within one run, machine and protocol.

    Args:
        summary: of :func:`cell_summary`.
        baseline: a variant, such as ``numpy``.

    Returns:
        a row per run, variant and preset that was measured together with the baseline, the baseline itself (1×)
        included: the group's keys, ``commit``, ``dirty``, ``started_at``, ``baseline``, ``speedup``, ``speedup_low``,
        ``speedup_high``, ``n_rounds``, ``ratio_basis``, ``median_step_seconds`` and ``baseline_step_seconds``.

    Raises:
        ResultsError: rows that share their hashes differ in protocol or machine (a damaged file).
    """
    names = [*_SPEEDUP_COLUMNS, *Ratio.__dataclass_fields__, "median_step_seconds", "baseline_step_seconds"]
    rows: list[dict[str, Any]] = []
    measured = summary[summary["n_rounds"] > 0] if len(summary) else summary
    for _, group in measured.groupby(["origin", "machine_hash", "protocol_hash", "run_id", "preset"], sort=False):
        base = group[group["variant"] == baseline]
        for _, row in group.iterrows() if len(base) else ():
            found = ratio(row, base.iloc[0])
            if found is not None and row["variant"] == baseline:
                found = replace(found, speedup=1.0, speedup_low=1.0, speedup_high=1.0)  # against itself, by definition
            if found is not None:
                rows.append(
                    {name: row[name] for name in _SPEEDUP_COLUMNS if name != "baseline"}
                    | asdict(found)
                    | {
                        "baseline": baseline,
                        "median_step_seconds": row["median_step_seconds"],
                        "baseline_step_seconds": base.iloc[0]["median_step_seconds"],
                    }
                )
    return pd.DataFrame(rows, columns=names)
